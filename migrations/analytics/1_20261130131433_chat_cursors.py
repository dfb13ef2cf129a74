"""Cursors of the counting of chat messages."""

from tortoise import BaseDBAsyncClient

RUN_IN_TRANSACTION = True


async def upgrade(db: BaseDBAsyncClient) -> str:
    return """
        CREATE TABLE "chat_cursors" (
    "stream_key" VARCHAR(64) NOT NULL PRIMARY KEY,
    "epoch" UUID NOT NULL,
    "seq" BIGINT NOT NULL
);
COMMENT ON TABLE "chat_cursors" IS 'Up to which place of its chat room the messages of a stream are counted.';"""


async def downgrade(db: BaseDBAsyncClient) -> str:
    return """
        DROP TABLE "chat_cursors";"""


MODELS_STATE = (
    "eJztWm1v2zYQ/iuEP3WAZyS262TBMMBN09XYkgyN0wINCoGWaImLRCoiVcco8t93pN4syS"
    "9S4TiK5y+JfS8k/fD08I6nHy3MsDuX1BSdcwfL8zAQPGidoR8thj0CH5YbtEHu+zm1kkk8"
    "cbWTCaaGqW21Ak+EDLApQTfFriAgsogwA+pLypnyuPWR5GjmUNNBvotNgvgUUSmQGgoFnH"
    "tIOgR5RAhsE6G0GMGgBHsIBwSZPGSSWB01m8VN0FBmb3vgkNGHkBiS2wR8FE5330BMmUUe"
    "iUi++vfGlBLXysEYjWjck7kaSOsNOfe1DoANPmgPtfiJYXI39FjZy59Lh7PUDZRKahNGAg"
    "xLXACXha4b70UiitYOAhmEJF20lQksMsWhq7ZIeUcryWQtw7i6Hhs3F2PDaJW2L/FYAD4W"
    "mZypradMCo2Hhx8NlzBbOvB10H+K5snwiKzUhJ+Hn84/Dj+9GfR/URNyiJ8ouK5iTVernv"
    "QQWOJoEL0LGezE56ZTRvz2dvR+OeKpQwHsMKRWR7n9DOSJIMM8ewp2APoakDXCvYFG2OdC"
    "2oFWaoA0tAsRTB7KQL6j9ojJFcEbORSAhEW9QghhvfDv19+63V7vpHvUG5y+7Z+cvD09Og"
    "VbveKy6mQN7u9Gf46uxvm4VoKnJ8Ug0/uFYFaCCTbvZziwjJKGd/kq27LK63pFCfC3reFU"
    "v1stOM/3l5SFkqw5EGKDSgeCp20rHgjjAilzRhJanlHpUKYl0ZBl1q/tvYTa7wr0G1m3vh"
    "Uo/y6nWEr+1Kr35ET2mx+cmLmby/Y7e2rWnQHNOXpfmsSe5fDNgPZSLsiD/B4gktQjy4HO"
    "vAogW7FbJ/nwCiFfA/F4dHlxMx5e/qO5RYgHV2M1HF8oTVdL5wXpm0FhO9JB0JfR+CNSX9"
    "HX66uL4nme2o2/tjTLh5IbjM8MbC1ikogTUX57Yz4tb/BKIlt02ac8oHvcP+mf9gb9lMhS"
    "yTr+Srgqw9QOiYCDsT6yZccDvo3LoIa+71JiXXwnTK7IoXImm7IoHBkbRFlXzKOuIc/R9l"
    "DmQsE7wwLFw3TQF4e6RBfDAZ8hD88hR6KuiyYgZLos5qGc8EfEuMqZbG2ivOfghLAN21ZO"
    "vXYx4eZC/C4FC8s1mZleqLEsP1tTIi74bLNK3JyqtX6fhsxUO4v0TOpP/4/W7s+ujWXj6m"
    "xsYVtqJgp5zz1MFlqQcVrXzJ3He/9Kkoc4TEu5Q3N4+JJbKg5gOz5EXLmMiQtGm7jYS82N"
    "KdjXYWMmg7kqShXf4dACZnO5retSYD/NjpI8StFBf5G50JeQDhZOVMhSS5wh8hBiF015oK"
    "tYnwSCszbCzALeBIsVnLyTaaswc760UvzcRnettTz9XBV08y9MG1FC/wRZ7ytJvxJSrlTR"
    "YZ1L1LkVyTz28Eak161wI9LrrrwRUarCnflLXT3FFNVMnLd/8wRhyYO6MOecDuFcJZzDyb"
    "/ElLXjOe+2fwG9HaSbky/fYJeIta2fRYtNmbJQtvWbPzyABDtt3vgBt0JTtpHKPlWLfuZw"
    "N+nptLMWv0puBSwXclffh5CyqnaLnne6Cu2leMr4YiG7FRcSy1AsaTstddCp9KEh1ehs+t"
    "CQ2lFakH9Cqod73m+fLtZ3EvmHjuD/pH6Mj6ZaJJZ47CGBHQ8qENhxccMyAlOq/PMTJSU1"
    "2oKZwz6x1tbarfC7ZB04U/sDmkvQxJ56N3YJuxOTethdUXWnTkVyj7w6sfcrxHcNeO8vzk"
    "eXw7/hEW9HZSDQONXVVUoM/aNmFYGfKZmR4AZ7vruqCsyZtDeUgd+1sSG0dY06MPIrvsWH"
    "ZVRicY8weRa9wg2nW9Rzxohxi6B7Rmbgtrze286wFeq6pK+Rb06/RLPjUJ0dqrMGVWeHpt"
    "JeFgUxsdbIshY8DnlWE15ie/oPF+tVGw=="
)
