-- The message that a sender has sent to a stream's chat room under a client id of theirs: one row, or none.
-- `text` is what it said, also if it was deleted since, as long as that is kept.
--
-- The unique index on `message_key` is the only one that fits, also to a plan that was made while the table was empty.
CREATE OR REPLACE FUNCTION "sent_message"("room" TEXT, "sender" TEXT, "client_id" TEXT)
RETURNS TABLE ("id" UUID, "seq" BIGINT, "created_at" TIMESTAMPTZ, "text" TEXT)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 1
AS $$
    SELECT
        m.id, m.seq, m.created_at,
        coalesce(m.text, (SELECT d.text FROM message_deletions d WHERE d.message_id = m.id))::text
    FROM messages m
    WHERE message_key(m.stream_key, m.sender_id, m.client_message_id) = message_key(room, sender, client_id)
    LIMIT 1
$$;
