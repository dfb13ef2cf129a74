"""The tables of the analytics database."""

from tortoise import BaseDBAsyncClient

RUN_IN_TRANSACTION = True


async def upgrade(db: BaseDBAsyncClient) -> str:
    return """
        CREATE TABLE "chat_minutes" (
    "id" BIGSERIAL NOT NULL PRIMARY KEY,
    "stream_key" VARCHAR(64) NOT NULL,
    "minute" TIMESTAMPTZ NOT NULL,
    "messages" INT NOT NULL,
    "guest_messages" INT NOT NULL,
    CONSTRAINT "uid_chat_minute_stream__75cb86" UNIQUE ("stream_key", "minute")
);
CREATE INDEX "idx_chat_minute_minute_386f48" ON "chat_minutes" ("minute");
COMMENT ON TABLE "chat_minutes" IS 'The messages of one stream within one minute.';
CREATE TABLE "applied_events" (
    "event_id" UUID NOT NULL PRIMARY KEY,
    "applied_at" TIMESTAMPTZ NOT NULL
);
CREATE INDEX "idx_applied_eve_applied_112791" ON "applied_events" ("applied_at");
COMMENT ON TABLE "applied_events" IS 'One event that was applied. While its row may still be in the outbox nothing may apply it again.';
CREATE TABLE "moderation_facts" (
    "id" BIGINT NOT NULL PRIMARY KEY,
    "at" TIMESTAMPTZ NOT NULL,
    "action" VARCHAR(32) NOT NULL,
    "stream_key" VARCHAR(64),
    "actor_key" VARCHAR(32) NOT NULL,
    "subject_key" VARCHAR(32)
);
CREATE INDEX "idx_moderation__stream__908e6a" ON "moderation_facts" ("stream_key", "at");
CREATE INDEX "idx_moderation__at_d82cf2" ON "moderation_facts" ("at");
COMMENT ON TABLE "moderation_facts" IS 'One entry of the audit log without its texts. Keys are hashes of ids: equal for one person, and no id.';
CREATE TABLE "sales_minutes" (
    "id" BIGSERIAL NOT NULL PRIMARY KEY,
    "stream_key" VARCHAR(64) NOT NULL,
    "product_id" BIGINT NOT NULL,
    "minute" TIMESTAMPTZ NOT NULL,
    "status" VARCHAR(16) NOT NULL,
    "orders" INT NOT NULL,
    "units" INT NOT NULL,
    "amount" DECIMAL(16,2) NOT NULL,
    CONSTRAINT "uid_sales_minut_stream__675ae9" UNIQUE ("stream_key", "product_id", "minute", "status")
);
CREATE INDEX "idx_sales_minut_product_95ee11" ON "sales_minutes" ("product_id", "minute");
CREATE INDEX "idx_sales_minut_minute_f4bbd6" ON "sales_minutes" ("minute");
COMMENT ON TABLE "sales_minutes" IS 'The orders of one product, or of a whole stream, to which the same happened within one minute.';
CREATE TABLE "viewer_samples" (
    "id" BIGSERIAL NOT NULL PRIMARY KEY,
    "stream_key" VARCHAR(64) NOT NULL,
    "at" TIMESTAMPTZ NOT NULL,
    "viewers" INT NOT NULL,
    CONSTRAINT "uid_viewer_samp_stream__1c1eec" UNIQUE ("stream_key", "at")
);
CREATE INDEX "idx_viewer_samp_at_cb8517" ON "viewer_samples" ("at");
COMMENT ON TABLE "viewer_samples" IS 'The viewers of one stream at one moment: the most that a node knew of.';
CREATE TABLE "aerich" (
    "id" SERIAL NOT NULL PRIMARY KEY,
    "version" VARCHAR(255) NOT NULL,
    "app" VARCHAR(100) NOT NULL,
    "content" JSONB NOT NULL
);"""


async def downgrade(db: BaseDBAsyncClient) -> str:
    return """
        """


MODELS_STATE = (
    "eJztWm1v4jgQ/itWPu1JHKJAX646nURb9pa7pZy27O5pq1VkEpP4mthp7JSivf73s52EvJ"
    "BA0utSYPlS0fFMYp6xn3nG5psGCXTmHBuseWlDPsQk4Eg7B980Al35odihIeyelxmWNg4n"
    "jgoyhKvuKl81ACeM+9DgYmwKHYaEyUTM8LHHMSUyYmwj4CLGoIUYoFNACQIiBkEXzDC3MV"
    "GW8JFN+UiTGmIcE+tZ0QHB9wHSObUQt5EvnnF7q4UR+h2aS5fQW/v6VXzGxESP4qsot/SA"
    "d6dPMXLMDGTYlPHKrvO5p2wX2BoQ/lb5ytlPdIM6gUsSf2/ObUoWAZhwabUQQT7kSL6B+4"
    "FEjgSOEwEdgxl+ncQlnG8qxkRTGDgSfxkdTiCxabp+PRrrN/2xrmtLuYkjUoBHJoMSmVcx"
    "VaYAsOQUfv6l3e50TtutzsnZcff09PisdSZ81XyXh06fwskkaIWPUpgNfh9cj+WEqFg84c"
    "qShicVAzkMo1RaEvSzWcxmQSxhvzgH2ahcLsRgPhcx8quSERuSbCSLfxPpcOGj7iBicVv8"
    "e9JdgfSn3ofLd70Pb066P2Xhvo5G2mpIAp8A7S64IAvylYCIYxcVA51E5UA2o7Bm/GEHIV"
    "8B8Xgw7N+Me8O/FLcwdu8orHrjvhxpK+s8Z31zkkvH4iHg82D8Dsh/wZfRdV/BSRm3fPXG"
    "xG/8RZNzggGnOqEzHZppTGJzbMqmN+LT5QSXElk6ZD2d7UA+I0ZrH3VPu2edk+6CyBaWVf"
    "wVc1WCqRUgJgpjfWSXAw/4RvjKMjy9S5UCaZhA424GfVNfGqFtWua7POS23bxFCB5LASW/"
    "kdpbC4HU8zwHI7P/gAgv0VAZl3UqCobOOpLeFXXUSOgc5Q+40GBgBhmIHtMEn23sIIA5Az"
    "6dARfOhUbCjgMmwkiEPwI04BP6CAiVmslSLjJ6LoIAtETalqXXJl5YoNaWVFkMFuQrlJma"
    "qF6kzz5+HFwVb710TG7TBQE2mzLyOVtvvVTTfp0GxJCZBepN8k/3N23ztUtpg05YjNJlRn"
    "311WoslZaaQiEbuYdiQROK0xwRZx7lfkfEQ7RMl7TD9vDwkJpyHYh0vA25soiJc07ruNhd"
    "uOtT4V+HjQn357IplXwHA1Mwm0Mt1ZcK9lPsyNEjZ03wJ5oL8vQRsCGzw0YWm+wcoPsAOm"
    "BKfdXFeshnlDQAJKbgTeFRwskbeW0VZs62VpKfG+BWW8nT36uDfhle3vsW+hlkva8kvSOk"
    "XKmjg0pL1DkVSSL28ESk065wItJpl56IyKFse/dqR08RRW0nzi9/8iSWJfXrwpwJOiznKs"
    "s5mPyDDF57PWfD9m9BvwzS26OXb6CD2Mqrn7THOqXMpG/9yx/qC4G9uLzxfGoGBm8AqT6n"
    "AIKZTZ34TqcBOBUGbNhK3DIxXaFdPU8sKbPqbdH3fV2F66XoldHBQnIqzjjkASu4dioMUF"
    "L6cCG11Wr6cCG1IVmQ3SHVl3s2bp8O1jey8g83gj9I/xiVplokFkfsIYEdnVQgsKN8whIC"
    "k0PZ/ROKkhrXgknAPrHWi123iu/F68C58D+gWYAmdGlAik4GkYFd6JR03YugPLmHUc0oeg"
    "fxXQHeVf9yMOy9F1u8EbaBgsax6q4WxNBtbVcT+AmjGfJvoOs5ZV1gxqWxpg18UM46U941"
    "+sAwLv8rPsjDFou6iPBz1Ye5orqFd84QEGoicEfQTIQV93sv89gKfV18r5G9nH6Ny45Dd3"
    "bozraoOztcKu1lUxARaw2VlYo46Kzt+xEb8rFhlyiAaHBd7YeJ27qaX47y+p8W1KqoP0o5"
    "/Z9yv7xQPog9W/P6OBWyhyWyfXxcoUYKr9IiqcZyVVLsqxoIR+57iO5Rq1XleKXVKj9fab"
    "Xy6Io3clTUw/5xM7ouRjgVklci2ODgX+BgtotVawW4EoyM/IgxfTPs/Z2H+/L96CKvK+QD"
    "Ll67qj39B1FJjfQ="
)
