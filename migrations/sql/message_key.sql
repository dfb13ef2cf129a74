-- What a sender called a message of theirs in a room, as sixteen bytes: an index on it is a fourth of one on the names.
-- NULL for a message without a client id. Neither a stream's key nor a sender's id has a space in it.
CREATE OR REPLACE FUNCTION "message_key"("room" TEXT, "sender" TEXT, "client_id" TEXT) RETURNS UUID
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $$
    SELECT encode(
        substr(sha256(replace(room || ' ' || sender || ' ' || client_id, '\', '\\')::bytea), 1, 16), 'hex'
    )::uuid
$$;
