"""Where requests may go. Each vector is a way in which some other project was fooled."""

import ipaddress

import pytest

from pixsim7_backend.infrastructure.http_policy import (
    AddressPolicy,
    AddressRefused,
    Purpose,
    origin_of,
    refusal,
)

_PRIVATE = """
0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.100.100.200 100.127.255.255 127.0.0.1
127.1.2.3 127.255.255.255 168.63.129.16 169.254.0.1 169.254.169.254 169.254.170.2 172.16.0.1
172.31.255.255 192.0.0.1 192.0.0.192 192.0.2.1 192.31.196.1 192.52.193.1 192.88.99.1 192.168.0.1
192.168.255.255 192.175.48.1 198.18.0.1 198.19.255.255 198.51.100.1 203.0.113.1 224.0.0.1
239.255.255.255 240.0.0.1 255.255.255.255
:: ::1 ::2 ::127.0.0.1 ::10.0.0.1 ::ffff:127.0.0.1 ::ffff:7f00:1 ::ffff:169.254.169.254
::ffff:8.8.8.8 ::ffff:0:127.0.0.1 64:ff9b::127.0.0.1 64:ff9b::7f00:1 64:ff9b::a9fe:a9fe
64:ff9b::10.0.0.1 64:ff9b:1::1 64:ff9b:1::7f00:1 100::1 100:0:0:1::1 2001::1
2001:0:7f00:1:: 2001:2::1 2001:10::1 2001:20::1 2001:db8::1 2002:7f00:1:: 2002:a00:1::1
2002:808:808::1 2620:4f:8000::1 3ffe::1 3fff::1 4000::1 5f00::1 8000::1 fc00::1 fd00::1
fd00:ec2::254 fd20:ce::254 fe80::1 fe80::1%eth0 febf::1 fec0::1 feff::1 ff02::1 ff0e::1
"""

_PUBLIC = """
1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0
169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0 192.167.255.255 192.169.0.0 198.17.255.255
198.20.0.0 223.255.255.255 2001:200::1 2001:4860:4860::8888 2606:4700:4700::1111 2a00:1450::1
64:ff9b::8.8.8.8
"""

PRIVATE = _PRIVATE.split()
PUBLIC = _PUBLIC.split()

BAD_URLS = [
    # literal addresses, plain and odd
    *(f"https://{ip}/" for ip in PRIVATE if ":" not in ip),
    *(f"https://[{ip}]/" for ip in PRIVATE if ":" in ip),
    "https://2130706433/",
    "https://017700000001/",
    "https://0x7f000001/",
    "https://0x7f.1/",
    "https://127.1/",
    "https://127.0.1/",
    "https://0/",
    "https://0x/",
    "https://0177.0.0.1/",
    "https://127.0.0.01/",
    "https://127.0.0.1./",
    "https://127.0.0.1../",
    "https://127.0.0.0x1/",
    "https://8.8.8.08/",
    "https://256.256.256.256/",
    "https://1.1.1.1.1/",
    "https://１２７.0.0.1/",
    "https://127。0。0。1/",
    "https://①②⑦.⓪.⓪.①/",
    "https://[::ffff:127.0.0.1]/",
    "https://[0:0:0:0:0:ffff:7f00:0001]/",
    "https://[::1%25lo]/",
    "https://[127.0.0.1]/",
    "https://[v1.127.0.0.1]/",
    "https://[::1/",
    # schemes
    "http://example.com/",
    "ftp://example.com/",
    "file:///etc/passwd",
    "gopher://example.com:443/_x",
    "data:text/plain,x",
    "javascript:alert(1)",
    "//example.com/",
    "example.com",
    "/etc/passwd",
    "",
    "https:",
    "https:example.com",
    "https:/example.com",
    "https:///example.com",
    "unix:///run/docker.sock",
    # ports
    "https://example.com:80/",
    "https://example.com:22/",
    "https://example.com:8443/",
    "https://example.com:0/",
    "https://example.com:/",
    "https://example.com:65536/",
    "https://example.com:443:80/",
    "https://example.com:+443/",
    # user names and parser differences
    "https://user@example.com/",
    "https://user:password@example.com/",
    "https://@example.com/",
    "https://:@example.com/",
    "https://example.com@127.0.0.1/",
    "https://127.0.0.1#@example.com/",
    "https://127.0.0.1\\@example.com/",
    "https://example.com\\@127.0.0.1/",
    "https://example.com\t/",
    "https://exam\nple.com/",
    "https://example.com/\r\nHost: x",
    " https://example.com/",
    "https://example.com/ x",
    "https://example.com\x00.evil.test/",
    "https://example.com\x7f/",
    "https://exam%70le.com/",
    "https://127.0.0.1%2f.example.com/",
    "https://-example.com/",
    "https://example-.com/",
    "https://exa mple.com/",
    "https://example..com/",
    "https://.example.com/",
    "https://./",
    "https://exam(ple.com/",
    "https://*.example.com/",
    "https://" + "a" * 64 + ".com/",
    "https://" + "a." * 127 + "com/",
    "https://example.com/" + "a" * 8192,
]

GOOD_URLS = [
    "https://example.com",
    "https://example.com/",
    "https://EXAMPLE.com:443/a",
    "https://example.com./",
    "https://a-b.c_d.example.com/x?y=%2F%20&z=1#f",
    "https://xn--bcher-kva.example/",
    "https://bücher.example/ü",
    "https://1.2.3.4.example.com/",
    "https://0x7f.example/",
    "https://8.8.8.8/",
    "https://[2606:4700:4700::1111]/",
    "https://localhost/",  # a name: what it resolves to is refused later
]


@pytest.mark.parametrize("address", PRIVATE)
def test_private_address_is_refused(address: str) -> None:
    assert refusal(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_address_is_allowed(address: str) -> None:
    assert refusal(address) is None


@pytest.mark.parametrize("text", ["", "localhost", "0x7f.1", "127.1", "2130706433", "1.1.1.1:80"])
def test_what_is_no_address_is_refused(text: str) -> None:
    assert refusal(text) == "not an address"


def test_stricter_than_the_standard_library_everywhere() -> None:
    for number in range(0, 2**32, 2**32 // 20011):
        ip = ipaddress.IPv4Address(number)
        if not ip.is_global:
            assert refusal(str(ip)), ip


@pytest.mark.parametrize("purpose", [Purpose.RESULT, Purpose.USER_URL, Purpose.WEBHOOK])
@pytest.mark.parametrize("url", BAD_URLS)
def test_bad_url_is_refused(url: str, purpose: Purpose) -> None:
    with pytest.raises(AddressRefused):
        AddressPolicy().check(url, purpose)


def test_there_are_enough_vectors() -> None:
    assert len(BAD_URLS) + len(PRIVATE) >= 200


@pytest.mark.parametrize("url", GOOD_URLS)
def test_good_url_is_allowed(url: str) -> None:
    assert not AddressPolicy().check(url, Purpose.USER_URL).is_exempt


def test_a_signed_url_is_not_rewritten() -> None:
    url = "https://cdn.example/a%2Fb%20c/%e4?X-Sig=a%2Bb/c==&x=%7E~"
    assert str(AddressPolicy().check(url, Purpose.RESULT).url) == url


def test_a_fragment_stays_here() -> None:
    checked = AddressPolicy().check("https://a.example/x#secret", Purpose.RESULT)
    assert str(checked.url) == "https://a.example/x"


class TestExemptions:
    policy = AddressPolicy(
        allow_private_origins={"http://127.0.0.1:8188", "https://gpu.lan:8443"},
        allow_private_webhooks={"http://127.0.0.1:9000/"},
    )

    @pytest.mark.parametrize(
        ("url", "purpose", "is_allowed"),
        [
            ("http://127.0.0.1:8188/prompt", Purpose.RESULT, True),
            ("https://gpu.lan:8443/x", Purpose.RESULT, True),
            ("http://127.0.0.1:8188/prompt", Purpose.USER_URL, False),
            ("http://127.0.0.1:8188/prompt", Purpose.WEBHOOK, False),
            ("http://127.0.0.1:9000/hook", Purpose.WEBHOOK, True),
            ("http://127.0.0.1:9000/hook", Purpose.RESULT, False),
            ("https://127.0.0.1:8188/", Purpose.RESULT, False),
            ("http://127.0.0.1:8189/", Purpose.RESULT, False),
            ("http://127.0.0.1/", Purpose.RESULT, False),
            ("http://127.1:8188/", Purpose.RESULT, False),
            ("http://localhost:8188/", Purpose.RESULT, False),
            ("http://[::ffff:127.0.0.1]:8188/", Purpose.RESULT, False),
            ("http://x@127.0.0.1:8188/", Purpose.RESULT, False),
        ],
    )
    def test_only_the_very_origin_for_its_purpose(
        self, url: str, purpose: Purpose, is_allowed: bool
    ) -> None:
        if is_allowed:
            assert self.policy.check(url, purpose).is_exempt
        else:
            with pytest.raises(AddressRefused):
                self.policy.check(url, purpose)

    def test_provider_api_is_limited_to_the_account(self) -> None:
        mine = {origin_of("https://api.vendor.example/v2")}
        assert self.policy.check("https://api.vendor.example/x", Purpose.PROVIDER_API, mine)
        for other in (
            "https://api.vendor.example.evil.test/",
            "https://evil.test/",
            "http://127.0.0.1:8188/",
        ):
            with pytest.raises(AddressRefused):
                self.policy.check(other, Purpose.PROVIDER_API, mine)
        with pytest.raises(AddressRefused):
            self.policy.check("https://api.vendor.example/x", Purpose.PROVIDER_API, None)

    def test_an_account_cannot_exempt_itself(self) -> None:
        for url in ("http://127.0.0.1:1234", "https://10.0.0.1", "http://api.example"):
            with pytest.raises(AddressRefused):
                self.policy.check(url, Purpose.PROVIDER_API, {origin_of(url)})

    @pytest.mark.parametrize(
        "bad", ["", "127.0.0.1:8188", "ftp://x", "http://u@x", "http://0x7f.1"]
    )
    def test_a_bad_exemption_stops_the_start(self, bad: str) -> None:
        with pytest.raises(ValueError):
            AddressPolicy(allow_private_origins={bad})

    def test_origins_are_spelt_one_way(self) -> None:
        assert origin_of("HTTPS://API.Example.com:443/v1?x") == "https://api.example.com"
        assert origin_of("http://[::1]:8188/") == "http://[::1]:8188"
