"""All names that nodes must agree on: Redis keys, rooms, channels, and advisory locks. Used everywhere."""

from functools import lru_cache
from typing import NamedTuple

CHAT = "/chat"
STREAMING = "/streaming"
ROOT = "/"
CLOCK = "dorami:clock"  # selects the server whose clock is read in a cluster; nothing is stored there

_remembered = lru_cache(maxsize=4096)  # every message needs these names several times; saves 0.4 µs each time


class Room(NamedTuple):
    """A set of sockets that get the same broadcasts: a name within a namespace."""

    namespace: str
    name: str

    @property
    def key(self) -> str:
        """The stream key in the room's name."""
        return self.name.partition(":")[2]


@_remembered
def chat_room(live_id: str) -> Room:
    """Return the chat room of a stream; `live_id` is the stream key."""
    return Room(CHAT, f"live:{live_id}")


@_remembered
def viewers_room(stream_key: str) -> Room:
    """Return the room of a stream's viewers: viewer counts, start and end."""
    return Room(STREAMING, f"stream:{stream_key}")


@_remembered
def products_room(stream_key: str) -> Room:
    """Return the room for the products and orders of a stream."""
    return Room(ROOT, f"stream:{stream_key}")


def everyone_room() -> Room:
    """Return the room of all sockets on `/`, which join it at connect."""
    return Room(ROOT, "everyone")


def admins_room() -> Room:
    """Return the room of all administrators' sockets on `/`, which join it at connect. It gets events of orders."""
    return Room(ROOT, "admins")


def hosts_room(user_id: str) -> Room:
    """Return the room of a host's sockets on `/`, which join it at connect. It gets events of orders; it has no log."""
    return Room(ROOT, f"host:{user_id}")


# --- channels -------------------------------------------------------------------------------------------------------


@_remembered
def room_channel(room: Room) -> str:
    """Pub/sub channel of one room, for encoded packets. Hash-tagged, so that a room is in one slot of a cluster."""
    return f"dorami:room:{{{room.namespace}:{room.name}}}"


def control_channel() -> str:
    """Pub/sub channel of notices, to which all nodes are subscribed."""
    return "dorami:control"


def node_channel(node_id: str) -> str:
    """Pub/sub channel of a node's canaries, with which it checks its subscription."""
    return f"dorami:node:{{{node_id}}}"


def probe(tag: str = "") -> str:
    """String: written by nodes to find out whether Redis takes writes. Expires after a minute.

    `tag` selects the server in a cluster.
    """
    return f"dorami:probe:{{{tag}}}" if tag else "dorami:probe"


# --- presence -------------------------------------------------------------------------------------------------------


def presence(room: Room) -> str:
    """Hash: user id → number of nodes on which the user is in the room. Its length is the number of distinct people.

    It does not expire: entries are removed by their node, or by another node if that one dies.
    """
    if room.namespace == STREAMING and room.name.startswith("stream:"):
        return f"{room.name}:viewers"  # part of the wire contract: stream:{streamKey}:viewers
    return f"dorami:presence:{room.namespace}:{room.name}"


# All presence keys of a room have the name of its hash as hash tag, so that in a cluster one script can use them all.


def presence_peak(room: Room) -> str:
    """String: the highest number of distinct people in a room so far. Expires a week after the last record."""
    return f"{{{presence(room)}}}:peak"


def presence_state(room: Room) -> str:
    """Hash: the state of publishing a room's member count. Expires a week after anybody was there.

    Fields: `changes`, how often the count has changed; `told`, up to which change it was published; `telling`, the same
    for the node that has the permit; `count`, the count published last; `next`, when the next permit is given, in ms of
    Redis' clock; `over`, 1 while the room is closed; `closed`, how often it was closed; by name of
    `node_presence`, the last `closed` that the node knows; `rebuilt`, how often the count was restarted; and by
    `counted:` and the name of `node_presence`, the `rebuilt` whose count includes the node's people.
    """
    return f"{{{presence(room)}}}:news"


def node_presence(node_id: str, room: Room) -> str:
    """Set: the people that one node has in a room, so that other nodes can remove them when it dies."""
    return f"{{{presence(room)}}}:node:{node_id}"


def node_buried(node_id: str, room: Room) -> str:
    """String: exists if a dead node's people were removed from a room, so that it cannot add others. For an hour."""
    return f"{{{presence(room)}}}:buried:{node_id}"


def node_rooms(node_id: str) -> str:
    """Set: the rooms in which a node may have people, as `namespace name`. Deleted when the node's lease ends."""
    return f"{{{nodes()}}}:{node_id}:rooms"


def nodes() -> str:
    """Sorted set: a node's name → the end of its lease, in ms of served time; see `nodes_clock`."""
    return "dorami:nodes"


def nodes_clock() -> str:
    """Hash: `served`, ms of Redis' clock without the times in which no node sent heartbeats; `seen`, the last one."""
    return f"{{{nodes()}}}:clock"


def socket_session(pid: str) -> str:
    """String, by private id: a socket's recovery session, "<generation> <ids, user, rooms with places as JSON>"."""
    return f"dorami:socket:{pid}"


# --- identity -------------------------------------------------------------------------------------------------------


# The user's id is the hash tag of all their keys, so that in a cluster one script or MGET may touch several of them.


def session(user_id: str, session_id: str) -> str:
    """Hash: one login of a user (device, created, used) and the SHA-256 of its refresh token. Expires in 7 days."""
    return f"dorami:session:{{{user_id}}}:{session_id}"


def spent_refresh_tokens(user_id: str, session_id: str) -> str:
    """List: the SHA-256 of a session's used refresh tokens, newest first."""
    return f"{session(user_id, session_id)}:spent"


def refresh_salt(user_id: str, session_id: str) -> str:
    """String: the salt that derives the current refresh token from the previous one. Expires in seconds."""
    return f"{session(user_id, session_id)}:salt"


def user_sessions(user_id: str) -> str:
    """Sorted set: session id → its expiry, in ms of Redis' clock."""
    return f"dorami:sessions:{{{user_id}}}"


def devices(user_id: str) -> str:
    """Sorted set: names (keyed hashes) of the devices of a user or guest, by the time of the last use."""
    return f"dorami:devices:{{{user_id}}}"


def revoked(user_id: str, kind: str, value: str = "") -> str:
    """String: a revocation of a user's session (`sid`), or of all tokens issued up to a time (`sub`)."""
    return f"dorami:revoked:{{{user_id}}}:{kind}:{value}"


def revocations_verified() -> str:
    """String: exists for seconds after a node has compared the revocations in Redis with those in PostgreSQL."""
    return "dorami:revocations:verified"


# --- limits ---------------------------------------------------------------------------------------------------------


def rate_limit(scope: str, subject: str) -> str:
    """List: the times of a subject's requests in the current window of one limit, oldest first."""
    return f"dorami:charges:{scope}:{subject}"


# --- jobs -----------------------------------------------------------------------------------------------------------


def job_queue() -> str:
    """List: the ids of jobs for the workers. The jobs are in PostgreSQL."""
    return "dorami:jobs"


# --- cached reads ---------------------------------------------------------------------------------------------------


def cached(cache: str, key: str) -> str:
    """String: a cached value, as `version JSON`. Expires after the lifetime of its cache."""
    return f"dorami:cache:{{{cache}:{key}}}"


def cache_lease(cache: str, key: str) -> str:
    """String: the caller that is loading this value. Expires in seconds."""
    return f"{cached(cache, key)}:lease"


# --- backups --------------------------------------------------------------------------------------------------------

# Patterns of the keys that a backup contains: nothing else has their data.
KEPT_KEYS = ("dorami:session:*", "dorami:sessions:*", "dorami:devices:*", "dorami:revoked:*")
# Patterns of the keys that are wrong after a restore of the databases: presence, places of sockets, cached rows, jobs.
STALE_KEYS = (
    "dorami:presence:*",
    "{dorami:presence:*",
    "stream:*:viewers",
    "{stream:*:viewers}*",
    "dorami:nodes",
    "{dorami:nodes}*",
    "dorami:socket:*",
    "dorami:cache:*",
    "dorami:jobs",
    "dorami:revocations:verified",
)


# --- database -------------------------------------------------------------------------------------------------------

# `store_messages` has a lock for each room besides: the class "room" with a hash of the room's name.
MIGRATION_LOCK = 0x646F72616D69  # "dorami": the PostgreSQL advisory lock under which migrations are applied

WORDS_LOCK = 0x776F726473  # "words": the advisory lock under which the lists of words are changed
RETENTION_LOCK = 0x6F6C64  # "old": the advisory lock under which old rows are deleted
NODES_LOCK = 0x6E6F646573  # "nodes": the advisory lock under which nodes are taken out of service
CHAT_COUNT_LOCK = 0x63686174  # "chat": the advisory lock of the analytics database under which messages are counted


def room_log_name(room: Room) -> str:
    """Return the name of a room in the tables of room logs."""
    return f"{room.namespace} {room.name}"
