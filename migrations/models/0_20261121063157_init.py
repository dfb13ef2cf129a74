"""Accounts, streams, products, and rooms with their messages."""

from tortoise import BaseDBAsyncClient

RUN_IN_TRANSACTION = True


async def upgrade(db: BaseDBAsyncClient) -> str:
    return """
        CREATE TABLE "users" (
    "id" UUID NOT NULL PRIMARY KEY,
    "email" VARCHAR(254) NOT NULL UNIQUE,
    "username" VARCHAR(32) NOT NULL,
    "password_hash" VARCHAR(255) NOT NULL,
    "role" VARCHAR(16) NOT NULL,
    "status" VARCHAR(16) NOT NULL,
    "suspended_reason" VARCHAR(500),
    "created_at" TIMESTAMPTZ NOT NULL,
    "updated_at" TIMESTAMPTZ NOT NULL
);
CREATE INDEX "idx_users_created_eeb5e9" ON "users" ("created_at", "id");
COMMENT ON TABLE "users" IS 'One account. Its e-mail address is stored in lower case only, so that it is unique in every spelling.';
CREATE TABLE "streams" (
    "key" VARCHAR(64) NOT NULL PRIMARY KEY,
    "title" VARCHAR(200) NOT NULL,
    "description" TEXT NOT NULL,
    "status" VARCHAR(16) NOT NULL,
    "scheduled_at" TIMESTAMPTZ,
    "started_at" TIMESTAMPTZ,
    "ended_at" TIMESTAMPTZ,
    "peak_viewers" INT NOT NULL,
    "created_at" TIMESTAMPTZ NOT NULL,
    "updated_at" TIMESTAMPTZ NOT NULL,
    "host_id" UUID NOT NULL REFERENCES "users" ("id") ON DELETE RESTRICT
);
CREATE INDEX "idx_streams_created_90ae01" ON "streams" ("created_at", "key");
CREATE INDEX "idx_streams_status_37549c" ON "streams" ("status", "created_at", "key");
CREATE INDEX "idx_streams_host_id_88c378" ON "streams" ("host_id");
COMMENT ON TABLE "streams" IS 'One stream. The key that people and rooms know it by never changes, so it is the primary key.';
CREATE TABLE "products" (
    "id" BIGSERIAL NOT NULL PRIMARY KEY,
    "name" VARCHAR(200) NOT NULL,
    "description" TEXT NOT NULL,
    "price" DECIMAL(10,2) NOT NULL,
    "original_price" DECIMAL(10,2),
    "discount_rate" SMALLINT NOT NULL,
    "stock" INT NOT NULL,
    "image_url" VARCHAR(2048),
    "images" TEXT[] NOT NULL,
    "sort_order" INT NOT NULL,
    "is_new" BOOL NOT NULL,
    "version" INT NOT NULL,
    "created_at" TIMESTAMPTZ NOT NULL,
    "updated_at" TIMESTAMPTZ NOT NULL,
    "stream_key" VARCHAR(64) NOT NULL REFERENCES "streams" ("key") ON DELETE RESTRICT
);
CREATE INDEX "idx_products_stream__94b044" ON "products" ("stream_key", "sort_order", "id");
COMMENT ON TABLE "products" IS 'One product. Every change raises `version`. Sold out is a stock of 0: there is no status that could disagree.';
CREATE TABLE "rooms" (
    "name" VARCHAR(128) NOT NULL PRIMARY KEY,
    "epoch" UUID NOT NULL,
    "seq" BIGINT NOT NULL,
    "stream_key" VARCHAR(64) NOT NULL REFERENCES "streams" ("key") ON DELETE RESTRICT
);
CREATE INDEX "idx_rooms_stream__ffb656" ON "rooms" ("stream_key");
COMMENT ON TABLE "rooms" IS 'One room''s counter. Who writes to the log locks its row, so `seq` has no gaps and follows the commits.';
CREATE TABLE "room_events" (
    "id" BIGSERIAL NOT NULL PRIMARY KEY,
    "seq" BIGINT NOT NULL,
    "event" VARCHAR(64) NOT NULL,
    "payload" JSONB NOT NULL,
    "created_at" TIMESTAMPTZ NOT NULL,
    "room" VARCHAR(128) NOT NULL REFERENCES "rooms" ("name") ON DELETE CASCADE,
    CONSTRAINT "uid_room_events_room_8b1525" UNIQUE ("room", "seq")
);
COMMENT ON TABLE "room_events" IS 'One event that a room heard, kept for those who come back. Old ones are deleted.';
CREATE TABLE "messages" (
    "id" UUID NOT NULL PRIMARY KEY,
    "seq" BIGINT NOT NULL,
    "sender_id" VARCHAR(64) NOT NULL,
    "username" VARCHAR(64) NOT NULL,
    "role" VARCHAR(16) NOT NULL,
    "text" VARCHAR(500),
    "client_message_id" VARCHAR(64),
    "created_at" TIMESTAMPTZ NOT NULL,
    "deleted_at" TIMESTAMPTZ,
    "stream_key" VARCHAR(64) NOT NULL REFERENCES "streams" ("key") ON DELETE RESTRICT,
    "user_id" UUID REFERENCES "users" ("id") ON DELETE RESTRICT,
    CONSTRAINT "uid_messages_stream__fd8922" UNIQUE ("stream_key", "seq"),
    CONSTRAINT "uid_messages_stream__402bf7" UNIQUE ("stream_key", "sender_id", "client_message_id")
);
COMMENT ON TABLE "messages" IS 'One message, with its author as they were when it was sent.';
CREATE TABLE "message_deletions" (
    "text" VARCHAR(500) NOT NULL,
    "reason" VARCHAR(500),
    "created_at" TIMESTAMPTZ NOT NULL,
    "deleted_by" UUID NOT NULL REFERENCES "users" ("id") ON DELETE RESTRICT,
    "message_id" UUID NOT NULL PRIMARY KEY REFERENCES "messages" ("id") ON DELETE RESTRICT
);
CREATE INDEX "idx_message_del_deleted_f0b1de" ON "message_deletions" ("deleted_by", "created_at");
COMMENT ON TABLE "message_deletions" IS 'Who deleted a message, why, and what it said: for the record, read by nobody but auditors.';
CREATE TABLE "aerich" (
    "id" SERIAL NOT NULL PRIMARY KEY,
    "version" VARCHAR(255) NOT NULL,
    "app" VARCHAR(100) NOT NULL,
    "content" JSONB NOT NULL
);

-- By hand: what Tortoise cannot express.
ALTER TABLE "users"
    ADD CONSTRAINT "users_email_is_lower_case" CHECK ("email" = lower("email") AND "email" <> ''),
    ADD CONSTRAINT "users_have_a_name" CHECK ("username" <> ''),
    ADD CONSTRAINT "users_role_is_known" CHECK ("role" IN ('USER', 'HOST', 'MODERATOR', 'ADMIN')),
    ADD CONSTRAINT "users_status_is_known" CHECK ("status" IN ('ACTIVE', 'SUSPENDED')),
    ADD CONSTRAINT "users_suspended_for_a_reason" CHECK (("status" = 'SUSPENDED') = ("suspended_reason" IS NOT NULL));
ALTER TABLE "streams"
    ADD CONSTRAINT "streams_key_is_plain" CHECK ("key" ~ '^[A-Za-z0-9_-]+$'),
    ADD CONSTRAINT "streams_have_a_title" CHECK ("title" <> ''),
    ADD CONSTRAINT "streams_peak_counts_people" CHECK ("peak_viewers" >= 0),
    ADD CONSTRAINT "streams_moments_fit_status" CHECK (
        ("status" = 'SCHEDULED' AND "started_at" IS NULL AND "ended_at" IS NULL)
        OR ("status" = 'LIVE' AND "started_at" IS NOT NULL AND "ended_at" IS NULL)
        OR ("status" = 'ENDED' AND "started_at" IS NOT NULL AND "ended_at" IS NOT NULL AND "ended_at" >= "started_at")
    );
ALTER TABLE "products"
    ADD CONSTRAINT "products_have_a_name" CHECK ("name" <> ''),
    ADD CONSTRAINT "products_price_is_no_debt" CHECK ("price" >= 0 AND "original_price" >= 0),
    ADD CONSTRAINT "products_discount_is_a_percentage" CHECK ("discount_rate" BETWEEN 0 AND 100),
    ADD CONSTRAINT "products_never_oversold" CHECK ("stock" >= 0),
    ADD CONSTRAINT "products_version_counts" CHECK ("version" >= 1);
ALTER TABLE "rooms"
    -- Its rows change all the time: room in the page keeps the new version beside the old one.
    SET (fillfactor = 50),
    ADD CONSTRAINT "rooms_seq_counts" CHECK ("seq" >= 0);
ALTER TABLE "room_events"
    ADD CONSTRAINT "room_events_seq_counts" CHECK ("seq" >= 1);
ALTER TABLE "messages"
    ADD CONSTRAINT "messages_seq_counts" CHECK ("seq" >= 1),
    ADD CONSTRAINT "messages_role_is_known" CHECK ("role" IN ('GUEST', 'USER', 'HOST', 'MODERATOR', 'ADMIN')),
    ADD CONSTRAINT "messages_of_guests_have_no_user" CHECK (("user_id" IS NULL) = ("role" = 'GUEST')),
    ADD CONSTRAINT "messages_sender_is_the_user" CHECK ("sender_id" <> '' AND "sender_id" = coalesce("user_id"::text, "sender_id")),
    ADD CONSTRAINT "messages_say_something" CHECK ("text" <> ''),
    ADD CONSTRAINT "messages_text_until_deleted" CHECK (("text" IS NULL) = ("deleted_at" IS NOT NULL));"""


async def downgrade(db: BaseDBAsyncClient) -> str:
    return """
        DROP TABLE "message_deletions";
        DROP TABLE "messages";
        DROP TABLE "room_events";
        DROP TABLE "rooms";
        DROP TABLE "products";
        DROP TABLE "streams";
        DROP TABLE "users";"""


MODELS_STATE = (
    "eJztXW1v2zgS/iuEv1wWyBqJ83rdxQFO4m59m8SLxNldbFMotMRYgmXSFam6Rq///TiUZO"
    "vVkRxbsVV9aBGTHFF6hiJnnhlS3xpjZhCbNx84cRrv0LcGxWMi/4iU76MGnkwWpVAg8MBW"
    "DV3ZQpXgARcO1oUsfMY2J7LIIFx3rImwGIWmPUoQ1nXmUtFEXcER+XmMLRthw3AI58jiiA"
    "vmEANZFNlsShykY04Qo/ZsH3GGhIkFsgQ0dKn12SXQkHwhzgzxCbFtiw6bcCsG0+W9yF+l"
    "9upVaoINiTAVnB8/yWKLGuQr4fDzY0N3CBbE0LAACctofIImk5H2bBHbiGhAVsoqVa6J2U"
    "SVPTx0r96rlvCUA01ntjumi9aTmTAZnTd3XctoggzUDQklDnQeUhB1bdtXZFDkPYUsEI5L"
    "5rdvLAoM8oxdG9Tc+PXZpTpoF6me4L/j//i3Fmqmabe9vnbf6WtaIzEq4BZiKvOLdEZhRF"
    "lUAHjfvnvXXQCiShvQweWH9t3e0elPCgLGxdBRlQquxncliAX2RJUiFigTGAtJoC9N7KQD"
    "PReIYS1vdTMoBwBtANLGGH/VbEKHwpQ/WyfHSzD+s32nYJatFM5MvuveDHDrV7W8OsB7gS"
    "9MD+rvAhCHZdaDclCwgHkxRZWO81ErB8xHrUyUoSoK8gRzPmWOoZmYm0WQTghWEO7WyUmu"
    "YX2yZFifxBF3mF1oSAfty8O38XDfudvUXBxF+PA0B8CHp5n4QlUUXi6wcHkRgBcSJULcvu"
    "x3/+zsLMiuNF/k4xmaNEq4vLcicKfIrgS8v9xt59RxcnCQA3TZKhN1VReFPWoCRgG/kjXC"
    "GpN00KOSMbgNX7QZ/LGLE7d8QKMn7W5/YCwBv9+96dz32zd/QHdjzj/bCr92vwM1LVU6i5"
    "Xuxd+O+UXQX93+BwQ/0T+9207cjpy36//TgHvCrmAaZVNN+hCLMRyUBqhF7aCJsaLWo5K1"
    "1rdF6wFGIbWruweH7nkUcjagYID10RRLQytSE17wJAjygZKD48KXfP/7HbGxwjY5DHxv/V"
    "5dZQeHwPdg0Aeli6EQoiSkt46H5LUg3XiX2b21qQhIsnebQAdrQuvKv1yVxha8l6zFst7U"
    "ZNW4NY6XYCrBMfy+oafom5jCqC3e0WxOzZ8N8rNqnkAT9U2CRmTmUVYTwiY2QZgayGFszN"
    "FIzlJAZA1miAJ/hXQTU/lCKZbLI7iEvMDEscbYmcGF0tm0jfX2SB8pXBTYmgFwcA55djnh"
    "aMzGRKrT60lqUkJiWLpQF/As/3eKr0MY2dYX4O4Iki4t1DlyoKq7okwgZbKuSNbJG2zIJh"
    "9DrkZGA1MuItpSbg+aFrC2/eaVY5xO8xBOp9l806lPN2XTe8ISxRz1uUAVmZBc7kxriTvT"
    "Sroz4TtL4NwnX0U6zjGxEp32N+Cn+52/+xGLNUB076b9908Rq/W6d/tb0Dykgcvr3sVuci"
    "T3lx86Vw/XnaudpUl0kxiuvZLvFpddg/e2nUbpDjprSR/dtxZW0XNEstbyNmvZoy2L6zgs"
    "V2t4mzU8IXikfbHI1M9MiGq5SzNMkrhYTMngOW5okTzY1NI4hDv4uXV4fHZ8fnR6fC6bqL"
    "ucl5wt0Xv3tl9T1xUnMWvq+kfUehZ1HdZ6QGIkVJ6dgxQSWWci0vaujC/kHSUiAVF0k9C+"
    "Zw6xhvR3MlMAd+V9YKqn0RGx9LzdhDRBycpiB0/nfFl4QMlnV5S2evo7ObjvupdyecoTW5"
    "k4zHB18Vom/A/vMhWCO5bRwl4df7qT16gqPqVHn3YGpU3GUYKXLiWQEnofsyMpwbufP5Ti"
    "SzRRR2X4ekELJB8Y4hBPsozLxk9NdM9sAzFXxTEwZBDrI8Se0cE7CEo4BIop84MTQdzClS"
    "KGJfXvEJIeWim19zwxEC/W40/CnDlCY47hLTqFs5cvrGGm85VqNqS4XP4ysb0BDs/l+ner"
    "dXR01jo4Oj0/OT47Ozk/mPteyaplTthF9zfwwyJWYOCYZYc9imbcVjjbtg56NCoU9Jg4lp"
    "4ysq+Ibo2xncHrBDJxB9QTavrCOzjSl6B/1bns3rSv9w4P9r1Mcgm15VnPgRqOE8OaOdbQ"
    "otjWVoE5KfxqvHeHI10JbrkYq21JGkCQRPtegmRnLpgJ4crQlUets9P5agk/lq2P9xL16y"
    "RTqSyiAtzvvH15KG7eCFkb7ytf1yHRXKfQRqmIUPVyw1sHx+e5DIvj8yWWBVSmYJ3iZLYd"
    "B8+WIJ0WsrAtvrHhG9r8N3AtW1iUN6G/t9j/B7bDx0/xKSDirOSdByJClZlS1zcTcI2SaY"
    "prx5hNMM0Yn3OhGKADKbUpROcl5Q7Fi17vOmL1XnTjZu3DzUXnbu8wZiYksfa9/QKjNyRR"
    "3tA93JGhWwcvs6HezTBWHbz8EbWeJ3gZYS3zp0cqobUmW7+1ijeQbr0kqsnnexteGdes3E"
    "am/VhkMzJAC8c2NxlxUTG8lHBLENvLjrWoCGL+QAs0/xdHisQgThP9ZTI0daQ1xJFgameH"
    "zYbynz7iyBJctp+qrSNPnHx+Urs7KENDPOFqd8czs2029baU6Gw8lhLpEZZyui0WWskOo7"
    "wtkb9FW0UOW3m8bdkqO7O7df7SbhEyYXrK+RnZGS9zgbLzXXbn6J3Q6kA+F4sJ+gKV8cJL"
    "CQrWRlBtBP0QRlA0dUkjX2CH6BoSmDpwoQqhvtH8nAVgGSbjHM3ldqOvvvzWo2rvZbZgZd"
    "Mhk8in2UcjMhHSLHNkHeMETaV5Jw0zguB5m6gHaTNU2nrYIcgbb0a6nbjuDlIswo/eo/u5"
    "NXKx+xSzEevsmq3Mrtl+Q6YiKghZ5sE0kteOmQvUJkzmtvnwAYIzm+GUSeW/973bjKyahU"
    "icG4WTGf6HNhl8fJskDwAjQoAmMpriyUv7UacILhDPaKrDEtmjfjcJ6jxhidDCn3dGc3wC"
    "roIT2trInSVuWQDfK52yim1x2I+5ZKFxGXHILtv3l+2rzluR0sGuiRQnI7ShItvFCDZv5P"
    "cvfIl9NLWEqYhg+T6b0urHiuydoSmk2U9NQuEsoymcNSQNjnRXYsVrwWlITxy2nTtSJU/B"
    "gUmWAZn+GMEpyQgugoYu4eIX9AQlqhknnoeizmaXPgkFchrmEVU6YPIuRoRMOHpsqBOUJK"
    "Jw2WdHejmy4JGqEq/rx4Y6Tck/+XwxgPYV/614b5PoI89T8m/BIRO5NAF/7vcDzcSUeT0E"
    "exDg3PRH2g68pACmgGMX5KtAsJlB4mZauqkuMj8ZilD5KLoi7Vm2fxXdvQAelneAU6TUBx"
    "h+6LYlkdeCQ9QCan5Vl6w+rn3dx7XXrlf5NHL4BclNI4eFKmixrN8Fqw/KLwHk7T+2vTyb"
    "e+0HZcGCXQTcoH31csM3c254wjYpgHWqcPWAX/+MUdMzq1h420THpOQLJvkY3wdZQc1Ryf"
    "pgsG3Wcp0RUZ4tW/DsoJDIK7zi3Xl3Vj86qM4vWWd+SXzYrgHXnIcybedYfRHU0Iu62bzl"
    "1b5p0KOkz+R/m/iywY5o7Ptq5PociGySPYzVi2T7Ql35WHdIxA6oYBzizM2ZRzVP/c9wcm"
    "wZ7/wEHPhCgM4gKwdChepTA2zAjBkauAJh17AEc1LywDfbVZ7c78BqHMwC5nnhLWRngy/z"
    "/bKX1qVO34Y5561cXPeXEMylkhjbtrCWwGIU/9Rc/YG5+gNzdUZJbgZjvqLkXR4WguteHr"
    "bDPlqv9xVFqxxPYUuBfdFVSAzJNTgMCWMoqYbABciphFecyLkN9s+LWoiaf3lU8KpUnTZx"
    "LN1spDgRfs1S3wEv2rzkMGQD9bIBXiiL40fJqn/lSRvZNnXmQSbZRl/2SSZVsKw38klyeK"
    "kKIOw3ryC6h7mM6sMlRvVhilHNqEjdgpCdIR8SqTPkC2bIJyywMvNOv/8feDCD1w=="
)
