"""Every Redis key, room and channel name: what two machines must agree on is spelled here and nowhere else."""

from functools import lru_cache
from typing import NamedTuple

CHAT = "/chat"
STREAMING = "/streaming"
ROOT = "/"
CLOCK = "dorami:clock"  # names the server whose clock is asked for; nothing is stored there

_remembered = lru_cache(maxsize=4096)  # for names that every message asks for several times: 0.4 µs less each time


class Room(NamedTuple):
    """A set of sockets that hear the same broadcasts: a name within a namespace."""

    namespace: str
    name: str

    @property
    def key(self) -> str:
        """The stream key in its name."""
        return self.name.partition(":")[2]


@_remembered
def chat_room(live_id: str) -> Room:
    """Who reads and writes the chat of a stream; `live_id` is the stream key."""
    return Room(CHAT, f"live:{live_id}")


@_remembered
def viewers_room(stream_key: str) -> Room:
    """Who watches a stream: viewer counts, started, ended."""
    return Room(STREAMING, f"stream:{stream_key}")


@_remembered
def products_room(stream_key: str) -> Room:
    """Who follows the products and orders of a stream."""
    return Room(ROOT, f"stream:{stream_key}")


def everyone_room() -> Room:
    """Every socket on `/`; joined by the server at connect."""
    return Room(ROOT, "everyone")


def admins_room() -> Room:
    """Every socket of an administrator on `/`; joined by the server at connect. It hears of orders."""
    return Room(ROOT, "admins")


# --- channels -------------------------------------------------------------------------------------------------------


@_remembered
def room_channel(room: Room) -> str:
    """The pub/sub channel of one room: ready packets. Hash-tagged, so that a cluster keeps a room together."""
    return f"dorami:room:{{{room.namespace}:{room.name}}}"


def control_channel() -> str:
    """The pub/sub channel every node hears: revocations and other notices to nodes."""
    return "dorami:control"


def node_channel(node_id: str) -> str:
    """The pub/sub channel on which a node hears itself, to know that it hears at all."""
    return f"dorami:node:{{{node_id}}}"


# --- presence -------------------------------------------------------------------------------------------------------


def presence(room: Room) -> str:
    """Hash: who is in a room → number of nodes that hold them there. Its length is the number of distinct people.

    It has no time to live: who is in it is taken out by their node, or by another when that one dies.
    """
    if room.namespace == STREAMING and room.name.startswith("stream:"):
        return f"{room.name}:viewers"  # the name the wire contract promises: stream:{streamKey}:viewers
    return f"dorami:presence:{room.namespace}:{room.name}"


# What belongs to a room has the whole name of its presence as hash tag: in a cluster, one script may touch all of it.


def presence_peak(room: Room) -> str:
    """String: the highest number of distinct people a room has had at one time. Lives a week after the last record."""
    return f"{{{presence(room)}}}:peak"


def presence_news(room: Room) -> str:
    """Hash: what a room was told of its number of people. Lives a week after the last change.

    `changes`: how often the number changed; `told`: up to which of them the room knows; `telling`: the same of a node
    that has its turn; `count`: the number told last; `next`: when the next turn is, in ms of Redis' own clock; `over`:
    1 while nobody is counted; `closed`: how often it became so; a node's `node_presence`: the last of these it knows.
    """
    return f"{{{presence(room)}}}:news"


def node_presence(node_id: str, room: Room) -> str:
    """Set: whom one node holds in a room, so that others can take them out when the node dies; gone when empty."""
    return f"{{{presence(room)}}}:node:{node_id}"


def node_buried(node_id: str, room: Room) -> str:
    """String: there when a node was taken out of a room and may not put anybody there any more; lives an hour."""
    return f"{{{presence(room)}}}:buried:{node_id}"


def node_rooms(node_id: str) -> str:
    """Set: the rooms in which a node may hold somebody, as `namespace name`. Lives until it is buried."""
    return f"{{{nodes()}}}:{node_id}:rooms"


def nodes() -> str:
    """Sorted set: a node's name → the moment its lease ends, in ms of served time: see `nodes_clock`."""
    return "dorami:nodes"


def nodes_clock() -> str:
    """Hash: `served`, the ms of Redis' own clock without the silences of all nodes, and `seen`, the last heartbeat."""
    return f"{{{nodes()}}}:clock"


def socket_session(pid: str) -> str:
    """String, by private id: what a socket leaves behind: "<generation> <ids, user, rooms with places as JSON>"."""
    return f"dorami:socket:{pid}"


# --- identity -------------------------------------------------------------------------------------------------------


# The user's id is the hash tag of all their keys, so that in a cluster one script or MGET may touch several of them.


def session(user_id: str, session_id: str) -> str:
    """Hash: one login of a user (device, created, used) and the SHA-256 of its current refresh token; lives 7 days."""
    return f"dorami:session:{{{user_id}}}:{session_id}"


def spent_refresh_tokens(user_id: str, session_id: str) -> str:
    """List: the SHA-256 of the refresh tokens a session has used up, newest first."""
    return f"{session(user_id, session_id)}:spent"


def refresh_salt(user_id: str, session_id: str) -> str:
    """String: what makes the current refresh token out of the one before; lives a few seconds."""
    return f"{session(user_id, session_id)}:salt"


def user_sessions(user_id: str) -> str:
    """Sorted set: session id → the moment it runs out, in ms of Redis' own clock."""
    return f"dorami:sessions:{{{user_id}}}"


def devices(user_id: str) -> str:
    """Sorted set: the names (keyed hashes) of the devices that a user or a guest came from, by when."""
    return f"dorami:devices:{{{user_id}}}"


def revoked(user_id: str, kind: str, value: str = "") -> str:
    """String: a user's revoked token (`jti`), session (`sid`) or all until a moment (`sub`)."""
    return f"dorami:revoked:{{{user_id}}}:{kind}:{value}"


def revocations_verified() -> str:
    """String: there for some seconds after a node has compared the revocations in Redis with those in PostgreSQL."""
    return "dorami:revocations:verified"


# --- limits ---------------------------------------------------------------------------------------------------------


def rate_limit(scope: str, subject: str) -> str:
    """Sorted set: the moments of what a subject did in the current window of one limit."""
    return f"dorami:limit:{scope}:{subject}"


# --- jobs -----------------------------------------------------------------------------------------------------------


def job_queue() -> str:
    """List: the ids of jobs for the workers. The jobs themselves are in PostgreSQL."""
    return "dorami:jobs"


# --- cached reads ---------------------------------------------------------------------------------------------------


def cached(cache: str, key: str) -> str:
    """String: a value that many ask for, as `version JSON`; lives as long as its cache says."""
    return f"dorami:cache:{{{cache}:{key}}}"


def cache_lease(cache: str, key: str) -> str:
    """String: who is loading that value; lives a few seconds."""
    return f"{cached(cache, key)}:lease"


# --- database -------------------------------------------------------------------------------------------------------

MIGRATION_LOCK = 0x646F72616D69  # "dorami": the PostgreSQL advisory lock under which migrations are applied

WORDS_LOCK = 0x776F726473  # "words": the advisory lock under which the lists of words are changed
RETENTION_LOCK = 0x6F6C64  # "old": the advisory lock of the one who forgets what deleted messages said


def room_log_name(room: Room) -> str:
    """The name of a room in the tables of room logs."""
    return f"{room.namespace} {room.name}"
