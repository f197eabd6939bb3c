"""RFC 9457 problems: the one shape of every error."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class FieldProblemRead(BaseModel):
    """What is wrong with one input field."""

    field: str = Field(description="Where, as a dotted path: `params.duration`.")
    message: str = Field(description="What is wrong, to be read after the field's name.")
    allowed: list[Any] | str | None = Field(
        default=None, description="What is allowed instead: the values, or a sentence."
    )


class Problem(BaseModel):
    """`code` is stable and meant for programs; `title` and `detail` are for people."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "urn:pixsim7:problem:invalid_job",
                    "title": "The job cannot be accepted as it is",
                    "status": 422,
                    "detail": "These parameters are not valid: params.duration.",
                    "code": "invalid_job",
                    "instance": "/api/v1/jobs",
                    "request_id": "0198f2c4b7d07a31",
                    "fields": [
                        {
                            "field": "params.duration",
                            "message": "1080p takes 5 or 8 seconds with v5.5",
                            "allowed": [5, 8],
                        }
                    ],
                }
            ]
        }
    )

    type: str = Field(description="A stable URI of the kind of problem.")
    title: str
    status: int
    detail: str
    code: str
    instance: str = Field(description="The path that was asked for.")
    request_id: str = Field(description="The same as in the header `X-Request-Id` and the logs.")
    fields: list[FieldProblemRead] = Field(default_factory=list)
