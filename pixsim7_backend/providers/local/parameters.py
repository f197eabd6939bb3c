"""What each operation of the built-in renderer may be asked, in the universal vocabulary."""

from typing import Annotated, Any, Final, Literal

from pydantic import Field, WithJsonSchema

from pixsim7_backend.domain.provider import ImageRef, OperationParams, VideoRef

MODEL: Final = "procedural-1"
MAX_SEED = 2**31 - 1


def _ui(widget: str, order: int, **more: Any) -> dict[str, Any]:
    return {"x-ui": {"widget": widget, "order": order, **more}}


Prompt = Annotated[
    str,
    Field(
        min_length=1,
        max_length=2048,
        title="Prompt",
        description="What to paint. Words choose scene, light, weather and camera move.",
        json_schema_extra=_ui("prompt", 0, quick=True),
    ),
]
NegativePrompt = Annotated[
    str,
    Field(
        max_length=2048,
        title="Negative prompt",
        description="Words for what must not appear, such as clouds of birds, rain or fog.",
        json_schema_extra=_ui("textarea", 60, advanced=True),
    ),
]
Duration = Annotated[
    int,
    Field(
        ge=1,
        le=15,
        title="Duration",
        description="Length of the film in seconds.",
        json_schema_extra=_ui("slider", 30, quick=True, unit="s"),
    ),
]
Aspect = Annotated[
    Literal["16:9", "9:16", "1:1", "4:3", "3:4"],
    Field(
        title="Aspect ratio",
        description="Shape of the picture, width to height.",
        json_schema_extra=_ui("aspect", 10, quick=True),
    ),
]
Quality = Annotated[
    Literal["360p", "540p", "720p", "1080p"],
    Field(
        title="Quality",
        description="Pixels along the short side.",
        json_schema_extra=_ui("segmented", 20, quick=True),
    ),
]
Seed = Annotated[
    Annotated[int, Field(ge=0, le=MAX_SEED)] | None,
    # Forms know no `anyOf`: an absent seed is how none is said.
    WithJsonSchema({"type": "integer", "minimum": 0, "maximum": MAX_SEED}),
    Field(
        title="Seed",
        description="The same seed and settings give the same picture; empty means a new one.",
        json_schema_extra=_ui("seed", 50, advanced=True),
    ),
]
Format = Annotated[
    Literal["png", "webp"],
    Field(
        title="File format",
        description="PNG is exact, WebP is smaller.",
        json_schema_extra=_ui("segmented", 70, advanced=True),
    ),
]
Style = Annotated[
    Literal["auto", "painting", "poster", "pencil", "neon", "grade"],
    Field(
        title="Style",
        description="How to repaint the image; auto reads it from the prompt.",
        json_schema_extra=_ui("select", 15, quick=True),
    ),
]
Model = Annotated[
    Literal["procedural-1"],
    Field(
        title="Model",
        description="The built-in procedural renderer.",
        json_schema_extra=_ui("select", 80, advanced=True),
    ),
]


def _media(title: str, kind: str, description: str, order: int = 1) -> Any:
    hints: dict[str, Any] = {
        "x-ui": {"widget": "media", "kinds": [kind], "order": order, "quick": True}
    }
    return Field(title=title, description=description, json_schema_extra=hints)


class _Common(OperationParams):
    prompt: Prompt
    negative_prompt: NegativePrompt = ""
    seed: Seed = None
    model: Model = MODEL


class _Film(_Common):
    duration: Duration = 5
    aspect_ratio: Aspect = "16:9"
    quality: Quality = "720p"


class TextToVideo(_Film):
    """A film of a scene."""


class ImageToVideo(_Film):
    """A camera moves over the image, in the light and weather of the prompt."""

    image: Annotated[ImageRef, _media("Image", "image", "The picture that starts to move.")]


class VideoExtend(_Common):
    """The film goes on from its last frame, in its own size and rate."""

    video: Annotated[VideoRef, _media("Video", "video", "The film that goes on.")]
    duration: Duration = 5


class VideoTransition(_Film):
    """One picture turns into the next."""

    images: Annotated[
        list[ImageRef],
        Field(
            min_length=2,
            max_length=7,
            title="Images",
            description="Two to seven pictures, in order.",
            json_schema_extra={
                "x-ui": {"widget": "media", "kinds": ["image"], "order": 1, "quick": True}
            },
        ),
    ]


class Fusion(_Film):
    """The given pictures together in one scene of the prompt."""

    images: Annotated[
        list[ImageRef],
        Field(
            min_length=1,
            max_length=7,
            title="Images",
            description="One to seven pictures to bring together.",
            json_schema_extra={
                "x-ui": {"widget": "media", "kinds": ["image"], "order": 1, "quick": True}
            },
        ),
    ]


class TextToImage(_Common):
    """A picture of a scene."""

    aspect_ratio: Aspect = "16:9"
    quality: Quality = "1080p"
    format: Format = "png"


class ImageToImage(_Common):
    """The given picture, repainted."""

    image: Annotated[ImageRef, _media("Image", "image", "The picture to repaint.")]
    style: Style = "auto"
    aspect_ratio: Aspect = "16:9"
    quality: Quality = "1080p"
    format: Format = "png"
