"""What PixVerse accepts: a body becomes a job with a price and a picture, or is refused."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from pixsim7_simulator.accounts import Account
from pixsim7_simulator.dialects.base import RefusedError
from pixsim7_simulator.dialects.pixverse import data
from pixsim7_simulator.dialects.pixverse.fields import Fields, invalid
from pixsim7_simulator.generations import Generation, Outcome
from pixsim7_simulator.world import Upload, World

_NO_RATIO = "is decided by the input"
_NOT_THIS_MODEL = "is not supported by this model"
_REF_NAME = re.compile(r"[A-Za-z0-9_ ]{1,30}")


@dataclass(frozen=True, slots=True)
class Job:
    """A request that would be accepted."""

    operation: str
    cost: int
    size: tuple[int, int]
    seconds: float
    time: float  # how long a person would wait for it
    audio: bool = False
    kind: str = "video"


@dataclass(slots=True)
class Source:
    """What validation may look at besides the body."""

    world: World
    account: Account

    def image(self, number: object) -> Upload:
        if type(number) is not int:
            raise RefusedError(400013, "Invalid binding: an image id must be int")
        upload = self.world.uploads.get(number)
        if upload is None or upload.kind != "image" or upload.account != self.account.key:
            raise RefusedError(400032, "Invalid image id")
        return upload

    def media(self, number: int) -> tuple[float, float]:
        """Ratio and seconds of an uploaded video."""
        upload = self.world.uploads.get(number)
        if upload is None:
            raise RefusedError(500008, "Requested data not found")
        if upload.account != self.account.key:
            raise RefusedError(500020, "No permission for this operation")
        if upload.kind != "video":
            raise invalid("the media is not a video")
        return upload.width / upload.height, upload.seconds

    def generation(self, number: int) -> Generation:
        generation = self.world.generations.get(number)
        if generation is None:
            raise RefusedError(500008, "Requested data not found")
        if generation.account is not self.account:
            raise RefusedError(500020, "No permission for this operation")
        return generation

    def video(self, fields: Fields, media_field: str) -> tuple[float, float]:
        """Ratio and seconds of the one source video of a request."""
        fields.exactly_one("source_video_id", media_field)
        if (media := fields.identifier(media_field)) is not None:
            return self.media(media)
        generation = self.generation(fields.number("source_video_id"))
        if generation.finished_at is None or generation.order.outcome is not Outcome.DONE:
            raise invalid("the source video is not finished")
        picture = generation.order.media
        return picture.width / picture.height, picture.seconds


@dataclass(frozen=True, slots=True)
class _Common:
    name: str
    model: data.Model
    quality: str
    seconds: int
    audio: bool
    multi: bool
    fast: bool

    def job(self, operation: str, ratio: float, *, seconds: float | None = None) -> Job:
        length = self.seconds if seconds is None else seconds
        cost = data.clip_price(
            self.name,
            self.quality,
            round(length),
            audio=self.audio,
            multi=self.multi,
            fast=self.fast,
        )
        size = data.frame_size(self.quality, ratio)
        return Job(
            operation,
            cost,
            size,
            length,
            data.demo_seconds(self.quality, round(length)),
            self.audio,
        )


def text_to_video(fields: Fields, source: Source) -> Job:
    fields.require("prompt", "model", "duration", "quality", "aspect_ratio")
    common = _common(fields, source)
    ratio = fields.text("aspect_ratio", common.model.ratios)
    return common.job("text_to_video", data.ratio_of(ratio))


def image_to_video(fields: Fields, source: Source) -> Job:
    fields.require("prompt", "model", "duration", "quality")
    fields.exactly_one("img_id", "img_ids")
    fields.refuse("aspect_ratio", why=_NO_RATIO)
    if fields.has("img_ids") and not fields.has("template_id"):
        raise invalid("img_ids needs a template_id")
    if fields.has("img_ids"):
        fields.require("img_ids")
        images = [source.image(number) for number in fields.items("img_ids")]
    else:
        images = [source.image(fields.identifier("img_id"))]
    return _common(fields, source).job("image_to_video", images[0].width / images[0].height)


def transition(fields: Fields, source: Source) -> Job:
    fields.require("prompt", "model", "duration", "quality", "first_frame_img", "last_frame_img")
    fields.refuse("aspect_ratio", why=_NO_RATIO)
    fields.refuse("generate_multi_clip_switch", why="is not available in transitions")
    first, _ = (
        source.image(fields.identifier(name)) for name in ("first_frame_img", "last_frame_img")
    )
    return _common(fields, source).job("transition", first.width / first.height)


def multi_transition(fields: Fields, source: Source) -> Job:
    fields.require("multi_transition", "model", "quality")
    fields.refuse("aspect_ratio", why=_NO_RATIO)
    frames = fields.objects("multi_transition")
    if not 2 <= len(frames) <= 7:
        raise invalid("multi_transition takes 2 to 7 images")
    _, model = _model(fields)
    if not model.multi_transition:
        raise invalid(f"model {_NOT_THIS_MODEL}")
    images = [source.image(frame.identifier("img_id")) for frame in frames]
    if frames[-1].has("duration"):
        raise invalid("the last image has no duration")
    gaps = [frame.number("duration") for frame in frames[:-1]]
    longest = 8 if len(frames) == 2 else 5
    if not all(1 <= gap <= longest for gap in gaps) or sum(gaps) > 30:
        raise invalid("duration")
    for frame in (fields, *frames):
        _prompt(frame, source)
    _seed(fields)
    quality = fields.text("quality", data.QUALITIES)
    fast = fields.text("motion_mode", ("normal", "fast")) == "fast"
    if fast and (not model.fast or quality == "1080p"):
        raise invalid("motion_mode")
    cost = data.multi_transition_price(quality, sum(gaps), fast=fast)
    size = data.frame_size(quality, images[0].width / images[0].height)
    audio = fields.switch("generate_audio") or fields.switch("generate_audio_switch")
    return Job(
        "multi_transition", cost, size, sum(gaps), data.demo_seconds(quality, sum(gaps)), audio
    )


def fusion(fields: Fields, source: Source) -> Job:
    omni = fields.text("reference_mode", ("omni",)) == "omni"
    fields.require("prompt", "model", "quality", "aspect_ratio")
    name, model = _model(fields)
    if not omni:
        fields.require("image_references", "duration")
        fields.refuse("video_references", why="needs reference_mode omni")
    elif name != "v6":
        raise invalid(f"reference_mode {_NOT_THIS_MODEL}")
    images = _references(fields, source, 10 if omni else model.fusion_refs)
    videos = [source.video(item, "video_media_id") for item in fields.objects("video_references")]
    if len(videos) > 2 or not (images or videos):
        raise invalid("references")
    common = _common(fields, source, duration_from_input=bool(videos))
    ratio = fields.text("aspect_ratio", (*model.ratios, "auto") if omni else model.ratios)
    shape = data.ratio_of(ratio) if ratio != "auto" else _first_ratio(images, videos)
    return common.job("fusion", shape, seconds=max(1, round(videos[0][1])) if videos else None)


def extend(fields: Fields, source: Source) -> Job:
    fields.require("prompt", "model", "duration", "quality")
    fields.refuse("aspect_ratio", why=_NO_RATIO)
    common = _common(fields, source)
    if not common.model.extend:
        raise invalid(f"model {_NOT_THIS_MODEL}")
    ratio, _ = source.video(fields, "video_media_id")
    return common.job("extend", ratio)


def image_template(fields: Fields, source: Source) -> Job:
    fields.require("img_ids", "template_id")
    images = [source.image(number) for number in fields.items("img_ids")]
    _template(fields, source, "540p")
    size = data.frame_size("720p", images[0].width / images[0].height)
    return Job("image_to_image", data.IMAGE_TEMPLATE_COST, size, 0, 6.0, kind="image")


Rule = Callable[[Fields, Source], Job]


def _common(fields: Fields, source: Source, *, duration_from_input: bool = False) -> _Common:
    """The fields that all clip operations share, and the limits of the model."""
    name, model = _model(fields)
    quality = fields.text("quality", data.QUALITIES)
    seconds = fields.number("duration")
    if duration_from_input:
        if seconds != 0:
            raise invalid("duration must be 0 with a video reference")
    elif seconds not in (model.full_hd_durations if quality == "1080p" else model.durations):
        raise invalid("duration")
    _prompt(fields, source)
    _seed(fields)
    _model_only_fields(fields, model)
    fast = fields.text("motion_mode", ("normal", "fast")) == "fast"
    if fast and (not model.fast or seconds != 5 or quality == "1080p"):
        raise invalid("motion_mode")
    if fields.has("template_id"):
        fields.refuse("camera_movement", why="excludes template_id")
        _template(fields, source, quality)
    hook = fields.text("webhook_id")
    if hook and hook not in source.account.webhooks:
        raise invalid("webhook_id")
    audio, multi = (
        fields.switch("generate_audio_switch"),
        fields.switch("generate_multi_clip_switch"),
    )
    return _Common(name, model, quality, seconds, audio, multi, fast)


def _model_only_fields(fields: Fields, model: data.Model) -> None:
    allowed = {
        "generate_audio_switch": model.audio,
        "generate_multi_clip_switch": model.multi_clip,
        "thinking_type": model.thinking,
        "style": model.style,
        "camera_movement": model.camera,
        "negative_prompt": model.negative_prompt,
        "sound_effect_switch": model.negative_prompt,
        "lip_sync_switch": model.negative_prompt,
        "lip_sync_tts_switch": model.negative_prompt,
    }
    fields.refuse(*(name for name, fits in allowed.items() if not fits), why=_NOT_THIS_MODEL)
    fields.text("style", data.STYLES)
    fields.text("camera_movement", data.CAMERAS)
    fields.text("thinking_type", ("enabled", "disabled", "auto"))


def _model(fields: Fields) -> tuple[str, data.Model]:
    name = fields.text("model", data.MODELS)
    return name, data.MODELS[name]


def _prompt(fields: Fields, source: Source) -> None:
    settings = source.world.settings
    prompt = fields.text("prompt")
    if len(prompt) > settings.prompt_max_chars:
        raise RefusedError(400018, "Prompt is too long")
    if len(fields.text("negative_prompt")) > 2048:
        raise RefusedError(400019, "Negative prompt is too long")
    if any(word in prompt for word in settings.flagged_words):
        raise RefusedError(500063, "The text did not pass moderation")


def _seed(fields: Fields) -> None:
    if not 0 <= fields.number("seed") <= data.MAX_SEED:
        raise invalid("seed")


def _template(fields: Fields, source: Source, quality: str) -> None:
    number = fields.number("template_id")
    if number not in source.account.templates:
        raise RefusedError(500070, "The template is not activated")
    if number in data.SMALL_EFFECTS and quality in {"720p", "1080p"}:
        raise RefusedError(500071, "The effect does not support this quality")


def _references(fields: Fields, source: Source, most: int) -> list[Upload]:
    references = fields.objects("image_references")
    if len(references) > most:
        raise invalid("image_references has too many items for this model")
    prompt, names, images = fields.text("prompt"), set(), []
    for reference in references:
        reference.require("type", "img_id", "ref_name")
        reference.text("type", ("subject", "background"))
        name = reference.text("ref_name")
        if name in names or not _REF_NAME.fullmatch(name):
            raise invalid("ref_name")
        if f"@{name} " not in prompt:
            raise invalid(f"the prompt must contain '@{name} '")
        names.add(name)
        images.append(source.image(reference.identifier("img_id")))
    return images


def _first_ratio(images: list[Upload], videos: list[tuple[float, float]]) -> float:
    return images[0].width / images[0].height if images else videos[0][0]
