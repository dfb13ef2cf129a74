-- The message that a sender has sent to a stream's chat room under a client id of theirs: one row, or none.
-- `text` is what it said, also if it was deleted since, as long as that is kept.
--
-- The look-up is a range in the order of the unique index on these columns, so that no other index will do: with
-- equalities PostgreSQL takes any index that begins with the stream if it plans while the table is empty.
CREATE OR REPLACE FUNCTION "sent_message"("room" TEXT, "sender" TEXT, "client_id" TEXT)
RETURNS TABLE ("id" UUID, "seq" BIGINT, "created_at" TIMESTAMPTZ, "text" TEXT)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 1
AS $$
    SELECT
        m.id, m.seq, m.created_at,
        coalesce(m.text, (SELECT d.text FROM message_deletions d WHERE d.message_id = m.id))::text
    FROM messages m
    WHERE m.stream_key = room
        AND (m.sender_id, m.client_message_id) >= (sender, client_id)
        AND (m.sender_id, m.client_message_id) <= (sender, client_id)
    ORDER BY m.sender_id, m.client_message_id
    LIMIT 1
$$;
