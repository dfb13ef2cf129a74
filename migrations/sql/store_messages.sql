-- Stores a batch of chat messages in one transaction: gives them the next places of their rooms, and logs their events.
-- Called by gateway/services/chat/messages.py.
--
-- The arrays have one element per message, in the order in which they came. `event` is the name of the logged event,
-- `rooms` are names of room logs, `payloads` the events as JSON, whose {data,seq} is filled in.
-- A message of a room that does not exist has no row in the answer; of each other one:
--   place       its position in the arrays, from 1
--   fresh       whether it was stored now; else its sender had used its client id in the room before, or earlier in the
--               batch: that message is answered, whatever holds now, and a deleted one with the text that it had
--   id, seq, created_at, text    what is stored
--   epoch, at   of one stored now: the epoch of the room's log, and the time of the commit; else NULL
--   refusal     why it was not stored (see chat_standing); then only `place`, `until` and `wait_ms` are not NULL
--   until       when a ban or a mute ends; NULL for never
--   wait_ms     of SLOW_MODE, in how many milliseconds the sender may speak again
-- Dropped first: what it answers has changed, and a migration from the start meets the earlier form.
DROP FUNCTION IF EXISTS "store_messages";
CREATE FUNCTION "store_messages"(
    "event" TEXT,
    "rooms" TEXT[],
    "ids" UUID[],
    "senders" TEXT[],
    "usernames" TEXT[],
    "roles" TEXT[],
    "texts" TEXT[],
    "client_ids" TEXT[],
    "moments" TIMESTAMPTZ[],
    "payloads" TEXT[]
)
RETURNS TABLE (
    "place" BIGINT, "fresh" BOOL, "id" UUID, "seq" BIGINT, "created_at" TIMESTAMPTZ, "text" TEXT,
    "epoch" UUID, "at" TIMESTAMPTZ, "refusal" TEXT, "until" TIMESTAMPTZ, "wait_ms" INT
)
LANGUAGE plpgsql
-- Planned once for batches of any length; planning takes longer than storing.
SET plan_cache_mode = force_generic_plan
-- A plan made while a table is empty would scan it, and be kept while it grows. Every look-up here has an index.
SET enable_seqscan = off
AS $$
#variable_conflict use_column
DECLARE
    instant TIMESTAMPTZ;
BEGIN
    -- First in, first out: the lock of a row goes to the next who asks, so the batches of a busy node overtake the others'.
    PERFORM pg_advisory_xact_lock(x'726f6f6d'::int, d.hash)  -- "room"
    FROM (SELECT DISTINCT hashtext(n) AS hash FROM unnest(rooms) n ORDER BY hash) d;
    -- In one order, so that two batches with the same rooms never wait for each other.
    PERFORM FROM rooms r WHERE r.name = ANY (rooms) ORDER BY r.name FOR NO KEY UPDATE;
    instant := clock_timestamp();  -- after the wait: that of the transaction is from before it

    RETURN QUERY
    WITH open AS MATERIALIZED (
        SELECT r.name, r.stream_key, r.epoch, r.seq AS head FROM rooms r WHERE r.name = ANY (rooms)
    ), given AS MATERIALIZED (
        SELECT
            g.*,
            o.*,
            s.refusal,
            s.until,
            s.pause,
            s.spoke_at,
            -- The first of those in the batch that are the same message.
            CASE WHEN g.client_id IS NULL THEN g.place
                ELSE min(g.place) OVER (PARTITION BY g.room, g.sender, g.client_id) END AS first,
            e.*
        FROM unnest(rooms, ids, senders, usernames, roles, texts, client_ids, moments, payloads) WITH ORDINALITY
            AS g (room, id, sender, username, role, text, client_id, moment, payload, place)
        JOIN open o ON o.name = g.room
        CROSS JOIN LATERAL chat_standing(o.stream_key, g.sender, g.role, instant) s
        LEFT JOIN LATERAL sent_message(o.stream_key, g.sender, g.client_id)
            AS e (old_id, old_seq, old_moment, old_text) ON true
    ), admitted AS (
        SELECT g.*, row_number() OVER (PARTITION BY g.room, g.sender ORDER BY g.place) AS number
        FROM given g WHERE g.old_id IS NULL AND g.place = g.first AND g.refusal IS NULL
    ), fresh AS MATERIALIZED (
        SELECT a.*, a.head + row_number() OVER (PARTITION BY a.room ORDER BY a.place) AS seq
        FROM admitted a WHERE a.number = 1 OR a.pause = interval '0'
    ), counted AS (
        UPDATE rooms r SET seq = f.seq
        FROM (SELECT f.room, max(f.seq) AS seq FROM fresh f GROUP BY f.room) f WHERE r.name = f.room
    ), stored AS (
        INSERT INTO messages
            (stream_key, seq, id, sender_id, user_id, username, role, text, client_message_id, created_at)
        SELECT
            f.stream_key, f.seq, f.id, f.sender, CASE f.role WHEN 'GUEST' THEN NULL ELSE f.sender::uuid END,
            f.username, f.role, f.text, f.client_id, f.moment
        FROM fresh f
    ), logged AS (
        INSERT INTO room_events (room, seq, event, payload, created_at)
        SELECT f.room, f.seq, event, jsonb_set(f.payload::jsonb, '{data,seq}', to_jsonb(f.seq)), instant FROM fresh f
        ORDER BY f.place
    ), spoken AS (
        INSERT INTO chat_turns (stream_key, sender_id, spoke_at)
        SELECT f.stream_key, f.sender, instant FROM fresh f WHERE f.pause > interval '0'
        ON CONFLICT (stream_key, sender_id) DO UPDATE SET spoke_at = excluded.spoke_at
    )
    SELECT
        g.place,
        coalesce(g.old_id IS NULL AND g.place = f.place, false),
        coalesce(g.old_id, f.id),
        coalesce(g.old_seq, f.seq),
        coalesce(g.old_moment, f.moment),
        coalesce(g.old_text, f.text),
        f.epoch,
        instant,
        CASE WHEN g.old_id IS NULL AND f.place IS NULL THEN coalesce(g.refusal, 'SLOW_MODE') END,
        CASE WHEN g.refusal IN ('BANNED', 'MUTED') THEN g.until END,
        -- Who is refused without that has spoken earlier in this batch: now.
        ceil(extract(epoch FROM CASE g.refusal WHEN 'SLOW_MODE' THEN g.spoke_at ELSE instant END + g.pause - instant) * 1000)::int
    FROM given g LEFT JOIN fresh f ON f.place = g.first;
END
$$;
