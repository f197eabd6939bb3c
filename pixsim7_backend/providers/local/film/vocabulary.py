"""Reads a prompt: which words mean which scene, light, weather, accent and camera move."""

import re
import zlib
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

# In order of weight: of two scenes named equally often, the earlier one is painted.
SCENES: Final[dict[str, str]] = {
    "underwater": "underwater undersea reef coral fish fishes jellyfish shark whale dolphin diver"
    " diving submarine aquarium seabed kelp scuba mermaid octopus turtle",
    "space": "space galaxy galaxies nebula planet planets cosmos cosmic universe astronaut"
    " spaceship spacecraft rocket orbit interstellar asteroid comet saturn mars jupiter alien"
    " supernova star-field milky",
    "city": "city cityscape town skyline street streets building buildings skyscraper tokyo"
    " skyscrapers downtown urban metropolis cyberpunk neon york london paris hong kong"
    " traffic car cars taxi rooftop bridge cafe subway shanghai manhattan",
    "desert": "desert dune dunes sahara sand camel camels mirage oasis pyramid pyramids arid"
    " cactus bedouin",
    "sea": "sea ocean beach coast shore wave waves surf surfer bay island islands sailboat boat"
    " boats ship ships sailing harbor harbour yacht lighthouse tropical pirate marina horizon"
    " seaside",
    "forest": "forest forests woods woodland jungle rainforest pine pines redwood grove trees tree"
    " fir bamboo mushroom mushrooms elf fairy fox deer wolf bear owl path trail",
    "abstract": "abstract fractal fluid liquid gradient ink paint swirl swirling geometric"
    " psychedelic pattern shapes waveform silk smoke marble texture colors colours dream"
    " vaporwave kaleidoscope particles energy plasma music",
    "mountains": "mountain mountains alps alpine peak peaks hill hills valley valleys landscape"
    " canyon cliff cliffs ridge meadow field fields countryside highland highlands himalaya"
    " everest fuji volcano glacier rockies summit prairie nature scenery eagle horse village"
    " cabin lake river waterfall fjord",
}

LIGHTS: Final[dict[str, str]] = {
    "sunset": "sunset sundown sunsets golden evening",
    "sunrise": "sunrise dawn daybreak morning",
    "dusk": "dusk twilight gloaming",
    "night": "night midnight nighttime nocturnal starry stars moonlit moonlight moon dark aurora"
    " northern-lights"
    " auroras borealis fireflies milky neon noir cyberpunk constellation lanterns",
    "storm": "storm stormy thunder thunderstorm lightning tempest hurricane thunderclouds",
    "overcast": "overcast cloudy grey gray gloomy rain rainy raining drizzle dreary fog foggy mist"
    " misty haze hazy bleak snowfall snowing blizzard",
    "day": "day daytime noon midday sunny bright clear afternoon daylight summer spring green lush",
}

WEATHER: Final[dict[str, str]] = {
    "rain": "rain rainy raining drizzle downpour storm stormy thunderstorm monsoon",
    "snow": "snow snowy snowing snowfall blizzard winter wintry",
    "fog": "fog foggy mist misty haze hazy",
    "lightning": "lightning thunder thunderstorm",
}

ACCENTS: Final[dict[str, str]] = {
    "moon": "moon moonlit moonlight full-moon",
    "stars": "star stars starry milky constellation",
    "aurora": "aurora auroras borealis northern-lights",
    "birds": "bird birds seagull seagulls gulls flock geese eagle eagles swallows crows",
    "boat": "boat boats sailboat sailboats ship ships yacht sailing pirate",
    "fireflies": "firefly fireflies fairy magic magical enchanted glowing elf",
    "lake": "lake reflection reflections river fjord pond mirror",
    "balloons": "balloon balloons",
    "lanterns": "lantern lanterns",
    "meteors": "meteor meteors shooting-star shooting comet",
    "snowcaps": "snow snowy winter glacier alps alpine himalaya everest snow-capped snowcapped"
    " fuji rockies",
    "green": "green meadow meadows spring summer grass lush hill hills prairie countryside",
    "autumn": "autumn fall autumnal maple",
    "neon": "neon cyberpunk vaporwave synthwave tokyo",
    "planet": "planet planets saturn mars jupiter",
    "island": "island islands tropical palm palms",
    "lighthouse": "lighthouse",
    "fish": "fish fishes reef coral school",
    "jellyfish": "jellyfish",
}

CAMERAS: Final[tuple[tuple[str, str], ...]] = (
    ("pan_left", r"\b(pan|pans|panning|track|tracking|truck|slide|move)\w* (to the )?left\b"),
    ("pan_right", r"\b(pan|pans|panning|track|tracking|truck|slide|move)\w* (to the )?right\b"),
    ("tilt_up", r"\b(tilt|tilts|tilting|look|looking|crane|rise|rising camera)\w* up\b|\brising\b"),
    ("tilt_down", r"\b(tilt|tilts|tilting|look|looking|crane) down\b|\bdescend\w*"),
    ("zoom_out", r"\b(zoom|zooms|zooming|pull|pulls|dolly) ?-?(out|back)\b"),
    (
        "zoom_in",
        r"\b(zoom|zooms|zooming|push|pushes|dolly) ?-?in\b|\bclose-?up\b|\bzoom\b|\bdolly\b",
    ),
    ("aerial", r"\b(aerial|drone|flyover|fly over|flying|bird'?s.eye|soaring|helicopter)\b"),
    ("orbit", r"\b(orbit shot|orbiting|arc shot|circling|rotating|orbit around)\b"),
    ("static", r"\b(static|still|locked|tripod|motionless) (shot|camera|frame)\b|\btripod\b"),
    ("pan_right", r"\b(pan|panning|parallax|tracking)\b"),
)

DEFAULT_CAMERAS: Final[dict[str, tuple[str, ...]]] = {
    "mountains": ("pan_right", "pan_left", "pan_right", "aerial"),
    "forest": ("pan_right", "pan_left"),
    "desert": ("pan_right", "pan_left", "aerial"),
    "city": ("pan_right", "pan_left"),
    "sea": ("drift", "pan_right", "pan_left"),
    "underwater": ("drift", "pan_right"),
    "space": ("zoom_in", "pan_left", "pan_right"),
    "abstract": ("drift",),
}

DEFAULT_LIGHTS: Final[dict[str, tuple[str, ...]]] = {
    "city": ("night", "dusk", "sunset"),
    "desert": ("sunset", "day", "sunrise"),
    "forest": ("sunrise", "day", "sunset"),
    "sea": ("sunset", "day", "sunrise"),
    "mountains": ("sunset", "day", "sunrise", "dusk"),
}


@dataclass(frozen=True)
class Brief:
    """What the prompt asks for, in the renderer's own words."""

    scene: str
    light: str
    weather: frozenset[str]
    accents: frozenset[str]
    camera: str
    seed: int
    camera_asked: bool = False
    light_asked: bool = False
    scene_asked: bool = False

    def has(self, word: str) -> bool:
        return word in self.accents or word in self.weather


def words_of(text: str) -> list[str]:
    """Lower-case words, with each neighbouring pair joined by a dash as well."""
    plain = re.findall(r"[a-z]+(?:'[a-z]+)?", text.lower())
    return plain + [f"{a}-{b}" for a, b in pairwise(plain)]


def _named(table: dict[str, str], words: list[str]) -> dict[str, int]:
    found = {name: sum(word in set(keys.split()) for word in words) for name, keys in table.items()}
    return {name: count for name, count in found.items() if count}


def read_prompt(prompt: str, negative_prompt: str, seed: int) -> Brief:
    """The same prompt and seed always give the same brief; unknown words choose by their hash."""
    unwanted = words_of(negative_prompt)
    refused = {
        name
        for table in (SCENES, LIGHTS, WEATHER, ACCENTS)
        for name in _named(table, unwanted)
        if name in unwanted or table is not LIGHTS
    }
    words = [word for word in words_of(prompt) if word not in unwanted]
    chance = zlib.crc32(" ".join(words).encode()) ^ (seed * 2654435761 & 0xFFFFFFFF)

    def pick(options: tuple[str, ...], salt: int) -> str:
        allowed = tuple(option for option in options if option not in refused) or options
        return allowed[(chance >> salt) % len(allowed)]

    scenes = {k: v for k, v in _named(SCENES, words).items() if k not in refused}
    lights = {k: v for k, v in _named(LIGHTS, words).items() if k not in refused}
    weather = set(_named(WEATHER, words)) - refused
    accents = set(_named(ACCENTS, words)) - refused
    if scenes:
        scene = max(scenes, key=lambda name: (scenes[name], -list(SCENES).index(name)))
    elif (
        lights
        or weather
        or accents & {"aurora", "moon", "birds", "balloons", "lanterns", "autumn", "lake", "green"}
    ):
        scene = "mountains"
    elif "meteors" in accents or "stars" in accents:
        scene = "space"
    else:
        scene = pick(("mountains", "sea", "forest", "abstract", "space", "desert", "city"), 3)
    # "sunset … night" names two times of day: the first one written is the one painted,
    # except that real weather words only set the light where nothing else does.
    order = [k for word in words for k, keys in LIGHTS.items() if word in keys.split()]
    timed = [k for k in order if k in lights and k != "overcast"] or list(lights)
    if timed:
        light = timed[0]
    else:
        light = pick(DEFAULT_LIGHTS.get(scene, ("day",)), 7)
        if "snow" in weather and scene != "mountains":
            light = "overcast"
    text = prompt.lower()
    asked = next((name for name, rule in CAMERAS if re.search(rule, text)), None)
    camera = asked or pick(DEFAULT_CAMERAS[scene], 11)
    if light == "night" and not weather and "moon" not in accents:
        accents.add("stars")
    if light == "storm" and "rain" not in refused:
        weather.add("rain")
    accents -= refused
    return Brief(
        scene=scene,
        light=light,
        weather=frozenset(weather),
        accents=frozenset(accents),
        camera=camera,
        seed=seed,
        camera_asked=asked is not None,
        light_asked=bool(timed),
        scene_asked=bool(scenes),
    )
