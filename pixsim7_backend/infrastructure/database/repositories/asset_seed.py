"""Synthetic assets in SQL: many rows that show the bytes of a few."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

SEED_TAG = "test-data"

# Everything about a row follows from its number, so that two runs make the same library.
_ASSETS = text(
    """
    WITH made AS (
        SELECT n, t.*,
            CAST(:newest AS timestamptz)
                - CAST(:span AS interval) * power((n + 1)::float8 / :total, 1.3) AS moment,
            (ARRAY['sunset', 'city', 'forest', 'fox', 'harbour', 'desert', 'snow', 'neon',
                   'garden', 'storm', 'canyon', 'tower'])[1 + n % 12] AS subject,
            (ARRAY['slow dolly in', 'aerial view', 'close up', 'wide shot', 'handheld',
                   'time lapse', 'tracking shot'])[1 + n % 7] AS shot,
            (ARRAY['golden hour', 'blue hour', 'soft light', 'hard shadows', 'after the rain'])
                [1 + n % 5] AS light,
            CASE n % 3 WHEN 0 THEN 'local' ELSE 'pixverse' END AS made_by,
            CASE n % 3 WHEN 0 THEN 'procedural' WHEN 1 THEN 'v5.5' ELSE 'v5' END AS by_model
        FROM generate_series(CAST(:first AS int), CAST(:last AS int)) AS n
        JOIN unnest(CAST(:templates AS uuid[])) WITH ORDINALITY AS chosen(template_id, number)
            ON chosen.number = 1 + (n * 7919) % cardinality(CAST(:templates AS uuid[]))
        JOIN (
            SELECT id AS template_id, user_id AS owner_id, media_type, mime_type, sha256,
                size_bytes, width, height, duration_s, fps, has_audio, thumbhash, colour,
                derived_at
            FROM assets
        ) AS t USING (template_id)
    ), described AS (
        SELECT *,
            shot || ' of a ' || subject || ', ' || light || ', take ' || n AS words,
            CASE media_type WHEN 'video' THEN 'text_to_video' ELSE 'text_to_image' END AS operation
        FROM made
    ), written AS (
    INSERT INTO assets (
        id, user_id, provider_id, operation_type, origin, media_type, sync_status, sha256,
        size_bytes, mime_type, width, height, duration_s, fps, has_audio, thumbhash, colour,
        derived_at, prompt, model, recipe, tags, is_favourite, rating, downloaded_at, created_at
    )
    SELECT
        CAST(
            lpad(to_hex(CAST(extract(epoch FROM moment) * 1000 AS bigint)), 12, '0')
            || '7' || lpad(to_hex(4095 - n % 4096), 3, '0')
            || 'a' || substr(md5(owner_id::text || n || clock_timestamp()), 1, 15) AS uuid
        ),
        owner_id, made_by, operation, 'generated', media_type, 'downloaded', sha256,
        size_bytes, mime_type, width, height, duration_s, fps, has_audio, thumbhash, colour,
        derived_at, words, by_model,
        jsonb_build_object(
            'provider_id', made_by, 'operation_type', operation,
            'params', jsonb_build_object('prompt', words, 'model', by_model)
        ),
        CASE WHEN n % 5 = 0 THEN ARRAY[subject, CAST(:tag AS text)] ELSE ARRAY[CAST(:tag AS text)]
        END,
        n % 17 = 0, CASE WHEN n % 6 = 0 THEN 1 + n % 5 END, moment, moment
    FROM described
    RETURNING id, user_id, sha256, size_bytes, created_at
    ), files AS (
        INSERT INTO asset_files (asset_id, kind, sha256, size_bytes, mime_type, width, height)
        SELECT w.id, f.kind, f.sha256, f.size_bytes, f.mime_type, f.width, f.height
        FROM written w
        JOIN assets t ON t.sha256 = w.sha256 AND t.id = ANY(CAST(:templates AS uuid[]))
        JOIN asset_files f ON f.asset_id = t.id
    ), days AS (
        INSERT INTO daily_usage (user_id, day, assets_created, storage_bytes_added)
        SELECT user_id, (created_at AT TIME ZONE 'UTC')::date, count(*), sum(size_bytes)
        FROM written GROUP BY 1, 2
        ON CONFLICT (user_id, day) DO UPDATE SET
            assets_created = daily_usage.assets_created + excluded.assets_created,
            storage_bytes_added = daily_usage.storage_bytes_added + excluded.storage_bytes_added
    )
    SELECT count(*), coalesce(sum(size_bytes), 0)::bigint FROM written
    """
)


class SeedRepository:
    """Test data that obeys every constraint of the real."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add_copies(
        self,
        templates: Sequence[UUID],
        first: int,
        last: int,
        total: int,
        newest: datetime,
        span: timedelta,
    ) -> tuple[int, int]:
        """Assets number `first` to `last` of `total`, with their files and the usage of their
        days; how many they are, and their bytes."""
        values = {
            "templates": list(templates),
            "first": first,
            "last": last,
            "total": total,
            "newest": newest,
            "span": span,
            "tag": SEED_TAG,
        }
        made, size = (await self._session.execute(_ASSETS, values)).one()
        return made, size

    async def analyse(self) -> None:
        """Let the planner know how many there are now."""
        await self._session.execute(text("ANALYZE assets, asset_files"))
