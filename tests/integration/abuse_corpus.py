"""What hostile and broken clients say to a node, picked by hand. test_abuse.py says it."""

import gzip

from tests.integration.abuse_scene import JOIN, PROBE
from tests.integration.engineio_echo import masked

RESERVED = ["connect", "disconnect", "connect_error", "disconnecting", "newListener", "removeListener"]

# What no client may say: it closes the connection.
CLOSED = {
    "nothing": "",
    "an unknown type": "9",
    "rubbish": "\x00\u2028é",
    "an event without a payload": "2/lounge,",
    "an event that is an object": "2/lounge,{}",
    "an event without a name": "2/lounge,[]",
    "an event cut short": '2/lounge,["say",{"text":"',
    "an event with a tail": '2/lounge,["say",{}]]',
    "NaN": '2/lounge,7["say",{"text":NaN}]',
    "Infinity": '2/lounge,7["say",{"text":-Infinity}]',
    "a number that no float can hold": '2/lounge,7["say",{"text":"x","times":1e999}]',
    "arrays 30,000 deep": '2/lounge,7["say",' + "[" * 30_000 + "]" * 30_000 + "]",
    "objects 10,000 deep": '2/lounge,7["say",' + '{"a":' * 10_000 + "1" + "}" * 10_000 + "]",
    "half a character within deep arrays": '2/lounge,7["\\ud800",' + "[" * 30_000,
    "an ack id of 20 digits": '2/lounge,99999999999999999999["say",{}]',
    "an ack id that JavaScript cannot count to": '2/lounge,9007199254740993["say",{}]',
    "a negative ack id": '2/lounge,-1["say",{}]',
    "an ack id of other digits": '2/lounge,٣["say",{}]',
    "an event of a namespace not joined": '2["say",{}]',
    "an event of no namespace there is": '2/elsewhere,["say",{}]',
    "leaving what was not joined": "1/elsewhere,",
    "leaving with a payload": '1/lounge,{"a":1}',
    "a binary event": '51-/lounge,["say",{"_placeholder":true,"num":0}]',
    "a placeholder out of range": '51-/lounge,["say",{"_placeholder":true,"num":99}]',
    "ten thousand million attachments": '59999999999-/lounge,["say"]',
    "a binary event without a count": '5/lounge,["say",{}]',
    "a binary ack": "61-/lounge,1[]",
    "a refusal": '4/lounge,{"message":"no"}',
    "an ack that is an object": "3/lounge,1{}",
    "an ack cut short": "3/lounge,1[",
    "a handshake that is a text": '0/lounge,"good"',
    "a handshake that is a list": '0/lounge,["good"]',
    "a namespace without an end": "0/" + "n" * 60_000,
}

# What is refused, and by which code; the socket stays.
REFUSED = {
    **{f"a forged {event}": (f'["{event}",{{"text":"x"}}]', "UNKNOWN_EVENT") for event in RESERVED},
    "an inherited name": ('["__init__",{"text":"x"}]', "UNKNOWN_EVENT"),
    "a method's name": ('["welcome",{"text":"x"}]', "UNKNOWN_EVENT"),
    "every event": ('["*",{"text":"x"}]', "UNKNOWN_EVENT"),
    "an event called 5": ('[5,{"text":"x"}]', "UNKNOWN_EVENT"),
    "an event called null": ('[null,{"text":"x"}]', "UNKNOWN_EVENT"),
    "an event called {}": ('[{},{"text":"x"}]', "UNKNOWN_EVENT"),
    "a name of 60,000 characters": ('["' + "n" * 60_000 + '"]', "UNKNOWN_EVENT"),
    "half a character": ('["\\ud800",{"text":"x"}]', "UNKNOWN_EVENT"),
    "no payload": ('["say"]', "INVALID_PAYLOAD"),
    "two payloads": ('["say",{"text":"x"},{"text":"y"}]', "INVALID_PAYLOAD"),
    "a payload that is null": ('["say",null]', "INVALID_PAYLOAD"),
    "a payload that is a list": ('["say",["text"]]', "INVALID_PAYLOAD"),
    "a missing field": ('["say",{}]', "INVALID_PAYLOAD"),
    "a left-over field": ('["say",{"text":"x","role":"ADMIN"}]', "INVALID_PAYLOAD"),
    "a field called __proto__": ('["say",{"text":"x","__proto__":{}}]', "INVALID_PAYLOAD"),
    "a number for a text": ('["say",{"text":5}]', "INVALID_PAYLOAD"),
    "a text for a number": ('["say",{"text":"x","times":"1"}]', "INVALID_PAYLOAD"),
    "a fraction for a number": ('["say",{"text":"x","times":1.5}]', "INVALID_PAYLOAD"),
    "a placeholder for a text": ('["say",{"text":{"_placeholder":true,"num":0}}]', "INVALID_PAYLOAD"),
    "a handler that explodes": ('["explode",{"text":"x"}]', "INTERNAL_ERROR"),
    "a handler that hangs": ('["hang",{"text":"x"}]', "SERVICE_UNAVAILABLE"),
    "a token that is not one": ('["auth:refresh",{"token":"bad"}]', "AUTH_REQUIRED"),
}

# What has no answer of its own, or no single one, and does no harm.
LET_BE = {
    "acks that nobody asked for": ["3/lounge,0[]", "3/lounge,1[{}]", "3/lounge,9007199254740991[]"],
    "joining again": [JOIN, '0/lounge,{"token":"bad"}', "0/lounge,"],
    "joining what is not there": [f"0/elsewhere{number}," for number in range(100)],
    "leaving and joining": ["1/lounge,", JOIN] * 20,
    "events without an ack": ['2/lounge,["nothing"]', '2/lounge,["say",5]', '2/lounge,["explode",{"text":"x"}]'] * 10,
    "a namespace with a query": ['2/lounge?token=x,["say",{"text":"x"}]'],
    "the same key twice": ['2/lounge,["say",{"text":5,"text":"x"}]'],
    "NUL in a text": ['2/lounge,["say",{"text":"\\u0000"}]'],
}

# Requests that the official client never makes; {sid} is an open session. Each is refused, or cut off.
ZIPPED = gzip.compress(b"4" + b"x" * 10_000_000)
REQUESTS: dict[str, tuple[str, list[str], bytes]] = {
    "a body that is not gzip": ("POST {sid}", ["Content-Encoding: gzip", "Content-Length: 6"], b"4hello"),
    "a body that is not deflate": ("POST {sid}", ["Content-Encoding: deflate", "Content-Length: 6"], b"4hello"),
    "a gzip bomb": ("POST {sid}", ["Content-Encoding: gzip", f"Content-Length: {len(ZIPPED)}"], ZIPPED),
    "a chunk without a size": ("POST {sid}", ["Transfer-Encoding: chunked"], b"zz\r\n4x\r\n0\r\n\r\n"),
    "a chunk of 2^64 bytes": ("POST {sid}", ["Transfer-Encoding: chunked"], b"10000000000000000\r\n4x\r\n"),
    "a chunk longer than it says": ("POST {sid}", ["Transfer-Encoding: chunked"], b"2\r\n4xyz\r\n0\r\n\r\n"),
    "another coding": ("POST {sid}", ["Transfer-Encoding: identity"], b"4x"),
    "a length and chunks": ("POST {sid}", ["Content-Length: 2", "Transfer-Encoding: chunked"], b"0\r\n\r\n"),
    "two lengths": ("POST {sid}", ["Content-Length: 2", "Content-Length: 3"], b"4x"),
    "a negative length": ("POST {sid}", ["Content-Length: -1"], b"4x"),
    "a length in words": ("POST {sid}", ["Content-Length: two"], b"4x"),
    "a length that never comes": ("POST {sid}", ["Content-Length: 50"], b"4x"),
    "no length": ("POST {sid}", [], b""),
    "nothing but separators": ("POST {sid}", ["Content-Length: 3"], b"\x1e\x1e\x1e"),
    "an unknown expectation": ("POST {sid}", ["Content-Length: 2", "Expect: miracles"], b"4x"),
    "another method": ("PUT {sid}", ["Content-Length: 2"], b"4x"),
    "a method to delete": ("DELETE {sid}", [], b""),
    "a method to trace": ("TRACE {sid}", [], b""),
    "a method of its own": ("SPILL {sid}", [], b""),
    "a session that is not there": ("GET sid=nobody", [], b""),
    "an empty session": ("GET sid=", [], b""),
    "a session of 7,000 characters": ("GET sid=" + "s" * 7000, [], b""),
    "a session of NULs": ("GET sid=%00%00", [], b""),
    "a session that is not UTF-8": ("GET sid=%ff%fe", [], b""),
    "a broken escape": ("GET sid=%zz%", [], b""),
    "another protocol": ("GET EIO=3", [], b""),
    "a header without a colon": ("GET {sid}", ["nonsense"], b""),
    "a header with NUL": ("GET {sid}", ["X: a\0b"], b""),
    "a folded header": ("GET {sid}", ["X: a", " b"], b""),
    "a header of 20,000 characters": ("GET {sid}", ["X: " + "x" * 20_000], b""),
    "a thousand headers": ("GET {sid}", [f"X-{number}: {number}" for number in range(1000)], b""),
    "a websocket that is none": ("GET transport=websocket", ["Upgrade: websocket", "Connection: Upgrade"], b""),
    "a websocket for nobody": (
        "GET transport=websocket&sid=nobody",
        ["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {'A' * 22}=="],
        b"",
    ),
}
SPEECH = {  # what is not even HTTP
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)),
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/0.9": b"GET /socket.io/?EIO=4\r\n\r\n",
    "HTTP/9": b"GET /socket.io/?EIO=4 HTTP/9.9\r\n\r\n",
    "Redis": b"*1\r\n$4\r\nPING\r\n",
    "frames": masked("40") * 3,
    "NULs": bytes(1000),
}

# What a polite client says; the random cases are made of it.
POLITE = [
    JOIN,
    PROBE,
    '0/lounge,{"token":"bad"}',
    '2/lounge,["say",{"text":"안녕 🙂","times":2}]',
    '2/lounge,12["nothing",{"a":[1,2.5,null,true,"x"]}]',
    '2/lounge,3["auth:refresh",{"token":"good"}]',
    "3/lounge,1[]",
    "1/lounge,",
    '51-/lounge,["say",{"_placeholder":true,"num":0}]',
    "0",
]
PIECES = [
    "", "0", "1", "2", "3", "4", "5", "6", "/lounge", "/", ",", "?", "[", "]", "{", "}", '"', ":", "-", "9" * 30,
    "1e999", "NaN", "null", "\\", "\\ud83d", "\\u0000", "\x00", "\x1e", "\ufeff", "é", "🙂", "connect", "disconnect",
    "__proto__", "_placeholder", "[" * 2000, "x" * 70_000,
]  # fmt: skip
