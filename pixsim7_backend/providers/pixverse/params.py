"""The parameters of each operation in the universal vocabulary, with PixVerse's rules."""

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from pixsim7_backend.domain.provider import ImageRef, OperationParams, VideoRef
from pixsim7_backend.providers.pixverse import references
from pixsim7_backend.providers.pixverse.models import (
    MODELS,
    ExtendModelId,
    FusionModelId,
    Model,
    ModelId,
    Quality,
)
from pixsim7_backend.providers.pixverse.rules import Problem, listed, raise_problems

# The stricter of two documented limits: the current reference says 5000 (PX-REF, PX-ERR).
MAX_PROMPT = 2048
MAX_SEED = 2_147_483_647  # PX-REF
# Per transition, with three or more images (PX-KIT, eachlabs); six of them make the 30 s maximum.
MAX_GAP_S = 5

CameraMovement = Literal[
    "horizontal_left",
    "horizontal_right",
    "vertical_up",
    "vertical_down",
    "zoom_in",
    "zoom_out",
    "crane_up",
    "quickly_zoom_in",
    "quickly_zoom_out",
    "smooth_zoom_in",
    "camera_rotation",
    "robo_arm",
    "super_dolly_out",
    "whip_pan",
    "hitchcock",
    "left_follow",
    "right_follow",
    "pan_left",
    "pan_right",
    "fix_bg",
    "auto_camera",
]
# One page prints "day" where the others print "clay": a misprint (PX-REF).
Style = Literal["anime", "3d_animation", "clay", "comic", "cyberpunk"]
MotionMode = Literal["normal", "fast"]
Thinking = Literal["enabled", "disabled", "auto"]
AspectRatio = Literal["16:9", "4:3", "1:1", "3:4", "9:16", "2:3", "3:2", "21:9"]
FusionAspectRatio = Literal["16:9", "4:3", "1:1", "3:4", "9:16", "2:3", "3:2", "21:9", "auto"]
ReferenceRole = Literal["subject", "background"]


def _ui(widget: str, order: int, **hints: Any) -> dict[str, Any]:
    return {"x-ui": {"widget": widget, "order": order, **hints}}


def _flatten_optionals(schema: dict[str, Any]) -> None:
    """Show `X | None` as an optional `X`: forms know no `anyOf`, and leaving it out means none."""
    for name, prop in schema.get("properties", {}).items():
        variants = [item for item in prop.get("anyOf", ()) if item != {"type": "null"}]
        if len(variants) != 1:
            continue
        outer = {key: value for key, value in prop.items() if key != "anyOf"}
        if outer.get("default", ...) is None:
            del outer["default"]
        schema["properties"][name] = {**variants[0], **outer}


_PROMPT: Any = Field(
    title="Prompt",
    description=f"What the video shows, in up to {MAX_PROMPT} characters.",
    json_schema_extra=_ui("prompt", 10, quick=True),
)
_MODEL: Any = Field(
    default="v6",
    title="Model",
    description="The PixVerse model; lengths, ratios and extras depend on it.",
    json_schema_extra=_ui("select", 20, quick=True),
)
_NEGATIVE_PROMPT: Any = Field(
    default=None,
    max_length=MAX_PROMPT,
    title="Negative prompt",
    description="What to keep out of the video. Models up to v5.",
    json_schema_extra=_ui("textarea", 90, advanced=True),
)
_AUDIO: Any = Field(
    default=False,
    title="Audio",
    description="Make sound with the video, at a higher price. Models v5.5, v5.6, v6 and c1.",
    json_schema_extra=_ui("toggle", 60, quick=True),
)
_MOTION_MODE: Any = Field(
    default="normal",
    title="Motion",
    description="Fast motion costs double. Models v3.5 to v4.5, 5 s, not at 1080p.",
    json_schema_extra=_ui("segmented", 80, advanced=True),
)
_STYLE: Any = Field(
    default=None,
    title="Style",
    description="A ready-made look. Model v3.5.",
    json_schema_extra=_ui("select", 85, advanced=True),
)
_RATIO_HELP = "The shape of the picture. 2:3, 3:2 and 21:9 need model v6 or c1."

Prompt = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_PROMPT)
]


class PixverseParams(OperationParams):
    """What all operations share."""

    model_config = ConfigDict(json_schema_extra=_flatten_optionals)

    prompt: Prompt = _PROMPT
    model: ModelId = _MODEL
    duration: int = Field(
        default=5,
        ge=1,
        le=15,
        title="Length",
        description="Seconds. v6 and c1: 1 to 15; v5.5 and v5.6: 5, 8 or 10; older: 5 or 8.",
        json_schema_extra=_ui("slider", 30, quick=True, unit="s"),
    )
    quality: Quality = Field(
        default="720p",
        title="Quality",
        description="The height of the picture. 1080p allows shorter clips on most models.",
        json_schema_extra=_ui("segmented", 40, quick=True),
    )
    seed: int | None = Field(
        default=None,
        ge=0,
        le=MAX_SEED,
        title="Seed",
        description="The same seed and settings give a similar result. Empty: a new one.",
        json_schema_extra=_ui("seed", 95, advanced=True),
    )

    # Which of this operation's fields only some models have: field -> capability of `Model`.
    GATED: ClassVar[dict[str, str]] = {}

    @property
    def facts(self) -> Model:
        """What the chosen model can do."""
        return MODELS[self.model]

    @model_validator(mode="after")
    def _check_rules(self) -> Self:
        raise_problems(type(self).__name__, self.problems())
        return self

    def problems(self) -> Iterator[Problem]:
        """Every rule of the chosen model that these parameters break."""
        yield from self._gate_problems()
        yield from self._duration_problems()

    def _duration_problems(self) -> Iterator[Problem]:
        allowed = self.facts.durations_at(self.quality)
        if self.duration not in self.facts.durations:
            message = f"{self.model} makes clips of {listed(self.facts.durations)} seconds."
            yield Problem("duration", message, allowed, self.duration)
        elif self.duration not in allowed:
            message = f"At 1080p, {self.model} makes clips of {listed(allowed)} seconds."
            yield Problem("duration", message, allowed, self.duration)

    def _gate_problems(self) -> Iterator[Problem]:
        for name, capability in self.GATED.items():
            value, default = getattr(self, name), type(self).model_fields[name].default
            if value == default or getattr(self.facts, capability):
                continue
            able = listed(model.id for model in MODELS.values() if getattr(model, capability))
            title = type(self).model_fields[name].title or name
            message = f"{title}: {self.model} does not have this; {able} does."
            yield Problem(name, message, () if default is None else (default,), value)

    def _fast_problems(self, motion_mode: MotionMode) -> Iterator[Problem]:
        """Fast motion: only 5 s and never 1080p (PX-REF, PX-MCP)."""
        if motion_mode != "fast" or not self.facts.has_fast_motion:
            return
        if self.duration != 5:
            message = "Fast motion makes clips of 5 seconds only."
            yield Problem("duration", message, (5,), self.duration)
        if self.quality == "1080p":
            message = "Fast motion is not made at 1080p."
            yield Problem("quality", message, ("360p", "540p", "720p"), self.quality)


class _GenerateParams(PixverseParams):
    """The extras of plain text-to-video and image-to-video (PX-REF 1.6)."""

    GATED: ClassVar[dict[str, str]] = {
        "audio": "has_audio",
        "multi_clip": "has_multi_clip",
        "thinking": "has_thinking",
        "motion_mode": "has_fast_motion",
        "camera_movement": "has_camera_movement",
        "style": "has_style",
        "negative_prompt": "has_negative_prompt",
    }

    audio: bool = _AUDIO
    multi_clip: bool = Field(
        default=False,
        title="Several shots",
        description="Cut the video from several camera shots. Models v5.5 and v6.",
        json_schema_extra=_ui("toggle", 65, advanced=True),
    )
    thinking: Thinking | None = Field(
        default=None,
        title="Prompt reasoning",
        description="Let the model think the prompt over first. Models v5.5 and later.",
        json_schema_extra=_ui("segmented", 70, advanced=True),
    )
    camera_movement: CameraMovement | None = Field(
        default=None,
        title="Camera movement",
        description="How the camera moves. Models v4 and v4.5.",
        json_schema_extra=_ui("select", 75, advanced=True),
    )
    motion_mode: MotionMode = _MOTION_MODE
    style: Style | None = _STYLE
    negative_prompt: str | None = _NEGATIVE_PROMPT

    def problems(self) -> Iterator[Problem]:
        yield from super().problems()
        yield from self._fast_problems(self.motion_mode)


def _ratio_problems(ratio: str, model: Model) -> Iterator[Problem]:
    if ratio not in model.ratios:
        message = f"{model.id} makes pictures of {listed(model.ratios)}."
        yield Problem("aspect_ratio", message, model.ratios, ratio)


class TextToVideoParams(_GenerateParams):
    """A video from words."""

    model_config = ConfigDict(title="Text to video")

    aspect_ratio: AspectRatio = Field(
        default="16:9",
        title="Aspect ratio",
        description=_RATIO_HELP,
        json_schema_extra=_ui("aspect", 50, quick=True),
    )

    def problems(self) -> Iterator[Problem]:
        yield from super().problems()
        yield from _ratio_problems(self.aspect_ratio, self.facts)


class ImageToVideoParams(_GenerateParams):
    """A video that starts from an image, and may end on another; the image gives the shape."""

    model_config = ConfigDict(title="Image to video")

    # What the transition route, which serves a last frame, does not take (PX-REF 1.8).
    NOT_WITH_LAST_IMAGE: ClassVar[tuple[str, ...]] = (
        "multi_clip",
        "thinking",
        "camera_movement",
        "style",
        "negative_prompt",
    )

    image: ImageRef = Field(
        title="Image",
        description="The first frame: JPEG, PNG or WebP, below 20 MB.",
        json_schema_extra=_ui("media", 5, quick=True, kinds=["image"]),
    )
    last_image: ImageRef | None = Field(
        default=None,
        title="Last image",
        description="The frame to end on, if any.",
        json_schema_extra=_ui("media", 6, kinds=["image"]),
    )

    def problems(self) -> Iterator[Problem]:
        yield from super().problems()
        if self.last_image is None:
            return
        for name in self.NOT_WITH_LAST_IMAGE:
            spec = type(self).model_fields[name]
            value = getattr(self, name)
            if value != spec.default:
                message = f"{spec.title}: not together with a last image."
                yield Problem(name, message, () if spec.default is None else (False,), value)


class TransitionParams(PixverseParams):
    """A video that morphs from image to image."""

    model_config = ConfigDict(title="Transition")

    GATED: ClassVar[dict[str, str]] = {"audio": "has_audio", "motion_mode": "has_fast_motion"}

    # v5 is the newest model that takes any number of images.
    model: ModelId = Field(
        default="v5",
        title="Model",
        description="Two images: every model. Three to seven: v3.5, v4, v4.5 or v5.",
        json_schema_extra=_ui("select", 20, quick=True),
    )
    duration: int = Field(
        default=5,
        ge=1,
        le=15,
        title="Length of each transition",
        description="Seconds from one image to the next. With three or more images: 1 to 5.",
        json_schema_extra=_ui("slider", 30, quick=True, unit="s"),
    )
    images: list[ImageRef] = Field(
        min_length=2,
        max_length=7,
        title="Images",
        description="Two to seven images, in order.",
        json_schema_extra=_ui("media", 5, quick=True, kinds=["image"]),
    )
    transition_prompts: list[Prompt] | None = Field(
        default=None,
        max_length=6,
        title="Prompt of each transition",
        description="For three or more images: one prompt for each step instead of the common one.",
        json_schema_extra=_ui("textarea", 15, advanced=True),
    )
    audio: bool = _AUDIO
    motion_mode: MotionMode = _MOTION_MODE

    @property
    def is_multi(self) -> bool:
        """Whether it takes the route for three or more images."""
        return len(self.images) > 2

    @property
    def gaps(self) -> int:
        """How many transitions the video has."""
        return len(self.images) - 1

    def problems(self) -> Iterator[Problem]:
        yield from super().problems()
        yield from self._fast_problems(self.motion_mode)
        prompts = self.transition_prompts
        if prompts is not None and not self.is_multi:
            message = "Two images have one transition, which the prompt describes."
            yield Problem("transition_prompts", message, (), prompts)
        elif prompts is not None and len(prompts) != self.gaps:
            message = (
                f"{len(self.images)} images have {self.gaps} transitions: one prompt for each."
            )
            yield Problem("transition_prompts", message, (), prompts)
        if self.is_multi and not self.facts.has_multi_transition:
            able = [model.id for model in MODELS.values() if model.has_multi_transition]
            message = f"Three or more images need {listed(able)}."
            yield Problem("model", message, able, self.model)

    def _duration_problems(self) -> Iterator[Problem]:
        if not self.is_multi:
            yield from super()._duration_problems()
        elif self.duration > MAX_GAP_S:
            allowed = tuple(range(1, MAX_GAP_S + 1))
            message = f"With three or more images, each transition takes 1 to {MAX_GAP_S} seconds."
            yield Problem("duration", message, allowed, self.duration)


class FusionParams(PixverseParams):
    """One video that brings several images together, each called `@name` in the prompt."""

    model_config = ConfigDict(title="Fusion")

    GATED: ClassVar[dict[str, str]] = {"audio": "has_audio"}

    prompt: Prompt = Field(
        title="Prompt",
        description="What happens. Call the images @image1, @image2 … or by the names you give "
        "them; those you leave out are added at the end.",
        json_schema_extra=_ui("prompt", 10, quick=True),
    )
    model: FusionModelId = _MODEL
    aspect_ratio: FusionAspectRatio = Field(
        default="16:9",
        title="Aspect ratio",
        description=f"{_RATIO_HELP} v6 can also choose by itself (auto).",
        json_schema_extra=_ui("aspect", 50, quick=True),
    )
    images: list[ImageRef] = Field(
        min_length=1,
        max_length=10,
        title="Images",
        description="v4.5 and v5: up to 3; v5.5, v5.6 and c1: up to 7; v6: up to 10.",
        json_schema_extra=_ui("media", 5, quick=True, kinds=["image"]),
    )
    reference_names: list[str] | None = Field(
        default=None,
        max_length=10,
        title="Names",
        description="A name for each image, used as @name in the prompt. Empty: image1, image2 …",
        json_schema_extra=_ui("textarea", 12, advanced=True),
    )
    reference_roles: list[ReferenceRole] | None = Field(
        default=None,
        max_length=10,
        title="Roles",
        description="Whether each image is a subject or the background. Empty: all are subjects.",
        json_schema_extra=_ui("select", 13, advanced=True),
    )
    audio: bool = _AUDIO

    @property
    def is_omni(self) -> bool:
        """Whether only v6's omni mode can do it (PX-KIT, PX-REF)."""
        return len(self.images) > self.facts.fusion_images or self.aspect_ratio == "auto"

    @property
    def names(self) -> tuple[str, ...]:
        """The name of each image, in order."""
        return tuple(self.reference_names or references.default_names(len(self.images)))

    @property
    def roles(self) -> tuple[ReferenceRole, ...]:
        """The role of each image, in order."""
        return tuple(self.reference_roles or ["subject" for _ in self.images])

    @property
    def full_prompt(self) -> str:
        """The prompt as PixVerse wants it, with every image mentioned."""
        return references.mention_all(self.prompt, self.names)

    def problems(self) -> Iterator[Problem]:
        yield from super().problems()
        if not (self.aspect_ratio == "auto" and self.facts.omni_images):
            yield from _ratio_problems(self.aspect_ratio, self.facts)
        most = self.facts.omni_images or self.facts.fusion_images
        if len(self.images) > most:
            yield Problem("images", f"{self.model} takes up to {most} images.", (), self.images)
        if len(self.roles) != len(self.images):
            yield Problem("reference_roles", "Give one role for each image.", (), self.roles)
        naming = list(self._name_problems())
        yield from naming or self._mention_problems()

    def _name_problems(self) -> Iterator[Problem]:
        names = self.names
        if len(names) != len(self.images):
            yield Problem("reference_names", "Give one name for each image.", (), names)
        if len({name.casefold() for name in names}) != len(names):
            yield Problem("reference_names", "Each name may occur once only.", (), names)
        for name in names:
            if not references.NAME_PATTERN.fullmatch(name):
                message = f"{name!r}: a name has up to 30 letters, digits, underscores and spaces."
                yield Problem("reference_names", message, (), names)

    def _mention_problems(self) -> Iterator[Problem]:
        mentions = [f"@{name}" for name in self.names]
        for unknown in references.unknown_mentions(self.prompt, self.names):
            message = f"No image is called @{unknown}; there is {listed(mentions)}."
            yield Problem("prompt", message, mentions, self.prompt)
        if len(self.full_prompt) > MAX_PROMPT:
            message = (
                f"With its images mentioned the prompt is longer than {MAX_PROMPT} characters."
            )
            yield Problem("prompt", message, (), self.prompt)


class ExtendParams(PixverseParams):
    """A video that goes on."""

    # No audio here: the endpoint's reference page lists no such field, though the price table
    # names extend among what audio is sold for (PX-REF against PX-PRICE).
    model_config = ConfigDict(title="Extend video")

    GATED: ClassVar[dict[str, str]] = {
        "motion_mode": "has_fast_motion",
        "style": "has_style",
        "negative_prompt": "has_negative_prompt",
    }

    model: ExtendModelId = _MODEL
    duration: int = Field(
        default=5,
        ge=1,
        le=15,
        title="Added length",
        description="Seconds to add. v6: 1 to 15; v5.5: 5, 8 or 10; older: 5 or 8.",
        json_schema_extra=_ui("slider", 30, quick=True, unit="s"),
    )
    video: VideoRef = Field(
        title="Video",
        description="The video to go on from: MP4, MOV or WebM, up to 30 s, 50 MB and 1920 px.",
        json_schema_extra=_ui("media", 5, quick=True, kinds=["video"]),
    )
    motion_mode: MotionMode = _MOTION_MODE
    style: Style | None = _STYLE
    negative_prompt: str | None = _NEGATIVE_PROMPT

    def problems(self) -> Iterator[Problem]:
        yield from super().problems()
        yield from self._fast_problems(self.motion_mode)
