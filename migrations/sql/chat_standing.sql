-- Who may speak in a chat room: the one place that says so. Joining, sending and moderating call it.
--
-- room: a stream's key; sender: the id of a user or a guest; role: theirs; instant: the moment to judge by.
-- One row, or none if there is no such stream:
--   hosting     the stream names them as its host, and their role still is one that may host (`hosts` of principal.py)
--   trusted     room settings do not hold for them: administrators, moderators, the host
--   slow_mode_seconds, frozen, guests_allowed    the room's settings
--   refusal     why they may not speak at `instant`: BANNED, MUTED, FORBIDDEN (a guest), ROOM_FROZEN (also once the
--               stream is over for good), SLOW_MODE; or NULL
--   until       when a ban or a mute ends; NULL for never
--   pause       the time between two messages that holds for them; zero without slow mode
--   spoke_at    when they last spoke, where a pause holds for them
--
-- It is STABLE SQL with one SELECT, so that PostgreSQL plans it as a part of the statement that calls it.
CREATE OR REPLACE FUNCTION "chat_standing"("room" TEXT, "sender" TEXT, "role" TEXT, "instant" TIMESTAMPTZ)
RETURNS TABLE (
    "hosting" BOOL, "trusted" BOOL, "slow_mode_seconds" SMALLINT, "frozen" BOOL, "guests_allowed" BOOL,
    "refusal" TEXT, "until" TIMESTAMPTZ, "pause" INTERVAL, "spoke_at" TIMESTAMPTZ
)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 1
AS $$
    SELECT
        who.hosting,
        who.trusted,
        settings.slow_mode_seconds,
        settings.frozen,
        settings.guests_allowed,
        CASE
            WHEN sanction.kind = 'BAN' THEN 'BANNED'
            WHEN sanction.kind = 'MUTE' THEN 'MUTED'
            -- For everybody: what is over stays as it was.
            WHEN s.status = 'CANCELLED' OR s.status = 'ENDED' AND coalesce(s.closes_at, s.ended_at) <= instant
                THEN 'ROOM_FROZEN'
            WHEN who.trusted THEN NULL
            WHEN role = 'GUEST' AND NOT settings.guests_allowed THEN 'FORBIDDEN'
            WHEN settings.frozen THEN 'ROOM_FROZEN'
            WHEN last.spoke_at > instant - limits.pause THEN 'SLOW_MODE'
        END,
        sanction.ends_at,
        limits.pause,
        last.spoke_at
    FROM streams s
    LEFT JOIN chat_settings c ON c.stream_key = s.key
    CROSS JOIN LATERAL (
        SELECT
            coalesce(c.slow_mode_seconds, 0::smallint) AS slow_mode_seconds,
            coalesce(c.frozen, false) AS frozen,
            coalesce(c.guests_allowed, false) AS guests_allowed
    ) settings
    CROSS JOIN LATERAL (
        SELECT
            h.hosting,
            role IN ('ADMIN', 'MODERATOR') OR h.hosting AS trusted
        FROM (SELECT s.host_id::text = sender AND role IN ('HOST', 'MODERATOR', 'ADMIN') AS hosting) h
    ) who
    CROSS JOIN LATERAL (
        SELECT CASE WHEN who.trusted THEN 0 ELSE settings.slow_mode_seconds END * interval '1 second' AS pause
    ) limits
    -- No sanction holds for an administrator, and none of a room for its host. A ban comes before a mute, the longest first.
    LEFT JOIN LATERAL (
        SELECT x.kind, x.ends_at FROM sanctions x
        WHERE x.subject_id = sender AND role <> 'ADMIN'
            AND (x.stream_key IS NULL OR (x.stream_key = s.key AND NOT who.hosting))
            AND x.lifted_at IS NULL AND (x.ends_at IS NULL OR x.ends_at > instant)
        ORDER BY x.kind, x.ends_at DESC NULLS FIRST LIMIT 1
    ) sanction ON true
    LEFT JOIN LATERAL (
        SELECT t.spoke_at FROM chat_turns t
        WHERE t.stream_key = s.key AND t.sender_id = sender AND limits.pause > interval '0'
        LIMIT 1
    ) last ON true
    WHERE s.key = room
$$;
