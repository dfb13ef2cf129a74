-- Deletes the events of deleted rooms. Called by the trigger of `rooms`, which is instead of a foreign key.
--
-- A foreign key looks for the room of each event that is stored, and locks it. Who stores an event has locked the room's
-- row already, which also keeps it from being deleted meanwhile. The statement below sees all events that were stored
-- before the room's row was deleted.
CREATE OR REPLACE FUNCTION "delete_room_events"() RETURNS TRIGGER
LANGUAGE plpgsql
AS $$
BEGIN
    DELETE FROM room_events WHERE room IN (SELECT name FROM deleted);
    RETURN NULL;
END
$$;
