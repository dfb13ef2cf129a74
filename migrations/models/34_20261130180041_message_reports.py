"""Reports of messages, their reviews, and deletions by nobody: hidden messages."""

from tortoise import BaseDBAsyncClient

RUN_IN_TRANSACTION = True


async def upgrade(db: BaseDBAsyncClient) -> str:
    return """
        CREATE TABLE IF NOT EXISTS "message_reports" (
    "id" BIGSERIAL NOT NULL PRIMARY KEY,
    "reporter_id" VARCHAR(64) NOT NULL,
    "reason" VARCHAR(16) NOT NULL,
    "note" VARCHAR(200),
    "weight" DOUBLE PRECISION NOT NULL,
    "created_at" TIMESTAMPTZ NOT NULL,
    "message_id" UUID NOT NULL REFERENCES "messages" ("id") ON DELETE CASCADE,
    CONSTRAINT "uid_message_rep_message_d11841" UNIQUE ("message_id", "reporter_id")
);
CREATE INDEX IF NOT EXISTS "idx_message_rep_reporte_eb9187" ON "message_reports" ("reporter_id", "created_at");
COMMENT ON TABLE "message_reports" IS 'What one person reported about a message. `weight`, from 0 to 1, is what it counts towards hiding the message.';
        CREATE TABLE IF NOT EXISTS "reported_messages" (
    "created_at" TIMESTAMPTZ NOT NULL,
    "decision" VARCHAR(8),
    "reviewed_at" TIMESTAMPTZ,
    "reviewed_by" UUID REFERENCES "users" ("id") ON DELETE RESTRICT,
    "stream_key" VARCHAR(64) NOT NULL REFERENCES "streams" ("key") ON DELETE RESTRICT,
    "message_id" UUID NOT NULL PRIMARY KEY REFERENCES "messages" ("id") ON DELETE CASCADE
);
CREATE INDEX IF NOT EXISTS "idx_reported_me_created_fc9dbf" ON "reported_messages" ("created_at", "message_id");
CREATE INDEX IF NOT EXISTS "idx_reported_me_stream__734aa6" ON "reported_messages" ("stream_key", "created_at");
COMMENT ON TABLE "reported_messages" IS 'A message that viewers have reported: it waits for a review, or was reviewed. Goes with its message.';
CREATE INDEX "reported_messages_open" ON "reported_messages" ("stream_key") WHERE "decision" IS NULL;
        ALTER TABLE "message_deletions" ALTER COLUMN "deleted_by" DROP NOT NULL;"""


async def downgrade(db: BaseDBAsyncClient) -> str:
    # Hidden messages stay deleted, in the name of the host.
    return """
        UPDATE "message_deletions" d SET "deleted_by" = s."host_id"
        FROM "messages" m JOIN "streams" s ON s."key" = m."stream_key"
        WHERE d."deleted_by" IS NULL AND m."id" = d."message_id";
        ALTER TABLE "message_deletions" ALTER COLUMN "deleted_by" SET NOT NULL;
        DROP TABLE IF EXISTS "reported_messages";
        DROP TABLE IF EXISTS "message_reports";"""


MODELS_STATE = (
    "eJztXWtz2ziW/Ssof5neKrXLlp3Yk9naKjtxp93j2FnbmXRNkpIhErI4pgiFIK1oZ/q/Ly"
    "74EB8gTUikRLLxYaZjEhekDkDgPs69+PfejJrEZvvvfcK8O8KYRZ29N+jfew6eEf4P6f0B"
    "2sPz+eouXPDw2BYCj9ByxIKm4hYeM8/FhsfvTrDNCL9kEma41twLnrZ34xAUSiA6QZT/Kb"
    "oZoIXlTZE3Jeju17Ofh69ew23LY8glE5cwfos+EYfto0sPWQxNiUuQ73iWzRvBhRl9JiZv"
    "hG6JabF9eBuTGvx1LOdx2w/2Heu7T0YefSS8X5c//ss3ftlyTPKDMPjzSwieZe7xO1/2yI"
    "+5xR82wt7eN2g6fxpNLGKbqQEKXx+EeBNxf+Qt5+Le2yl2fxES8MPHI4Pa/szJS82X3pT/"
    "EYlxfODqI3GIiz1iJgbO8W07HOnoUvC7+AXP9Un8g8zVBZNMsG/D8IN08Cara3uj0fXN/e"
    "ju4n402stNjUgiMWjhJYPPLj6tLMdjAo8Z/jGyifPoTfmfr4//CJ6zwiNoBQ/8x9nt21/P"
    "bn96ffxf8EDK52Ywda/DO0Nx6w/RBfZw0IkYoRXs8UgpgJ6UqQfy6MIK89UX1lnQVyCb5N"
    "kyiArEK4keAsyXoQoI81aFEIt7aYwN33WJ46mAnBDpIcr1T2M2lwJ85rp4WbA8z+X42hbz"
    "mgJ4778nvmMAdmjsW7Zn8e0Nnvc/ew3BXgLz/cXv91++ZWHEttI0jdqvNUfDvevPMkVd6g"
    "EWoGrkEH7H73jWjMhRTktmsDZD0f3oH91DvmyWXn64uLs/+/ARup8x9t0WcJ3dX8Cdobi6"
    "zFz9Kbs4x52gz5f3vyL4E/3z5vpCoEmZ9+iKJ67a3f9zD94J+x4dOXQxwmYSk+hydCm91r"
    "tkzVFOS9Ywym3bA/o0zD5ba4wTYnqAWz3ACcNQcYzTknqYWzfMYOdPnhImJ1wYY+NpgV1z"
    "lLtDh7Sobf7WbDjLXsEOfhSDBGjCe4b+nt/oeE/iBoLLgzLvz7/oWMHnw1u/QYsp9tACM4"
    "TZEzEHaEoXXMYNHCmD4LbBXyPwwOyj+ylBfKr5BFlO4F7hIvw3IYeiGXUJ8qbYEb4ay5R7"
    "fLbz2Cr+Hr7kuqFDILHDCucP42qVz2R30nsxOIsKnUMy/8SnT5fv5IuD1DPh+/z3gEwzLq"
    "GE1SGeBP93vAuTQ+jMR8HnnvyQxU8v9wU98d+nYphE7XtoPB8NK1gmR8NCywRuZay++Duo"
    "bPfFEtsDeO9/P118unjX1LxNg3xYxQ10WOwFOsw5geYuhfkugfluhm370vHkUCflMmBbTm"
    "OeioOmUH6EN/j5aHjy+pTfFS8If5yUwH334ezq6vL6Pue59LBlq3kuI4ktztrtzNdXBwcV"
    "JixvVThjxb2Mx4J8B3d6HuLf7m6uC1wVK5Gs5msZHvoPatK9thudF8BIqbsRpj99OPs9C/"
    "fbq5vz7PYHHZznoGe+zBVXhnwksRHw3XENNYO776ioc2HzDfS57uD9ova2QtGmslWjfJ+L"
    "ZPQel9zjuHWj7oFYSWnvQ+u8D9pZXO0j4j/QvHHsZbhGdmTYw+W8dNS58eSuN+ppSR0Iav"
    "O3TTiE64xxUk6PcJtHOOFZrKovJkTq9AG2d1BfUBpzrvg0unlof6EusR6dv5OA1XHJ3wM7"
    "UjZS6E7/FHbTTUhXV1efsosXsRs6OaH4b+e/mHji19/y2X17+Zbrk7sJbgjYJdGNaDiKwx"
    "vwixTiG9gwqO94wBJliPw8w5aN+DcMHjMgiTKPTxgT4gk2XRAXGZgRRLlaMUCMQjzBC9mk"
    "wcBDQ/JM3CVic2LbfITk4Y2tPLVKdEMHKloWqCAzRadkLNA7hvDwVRUOFW9VwqXMsahgeR"
    "D/VoA4KaMDQhUCQnPM2ILyPWCK2VQF6ZxgD+EevnpVaVq/KpnWr/LkQFtpSkfttxjI+HR3"
    "cdvV4FtHIpxnb+8v/3HRWZB94FSD9cqVEkYljvQSuCWy/SMVNxKlm/nMGxlT7DySUbT+5q"
    "E/p3zFwI4c/aIuMiMw5n00NffjK9vV9M5vbq5S/obzy/sM9p8+nF/wL0EMCW9kBQZW3lcf"
    "731cgX9af+dMSdfyCbRIJayfVZ/GjS8h61A2CzvRDrg2O+B0+KT4s+tv+MSfm2uOelpSj3"
    "pbRl3ysYu3VyBqr6YH0KMlmv55KPbL32+JjT1LqmKmKdgdG/wil3FaWSSM4UcpDVEFoQ9B"
    "N53d/iqBFLjTocRCPWi9C7vrKWr8FsGzTbG6E7309fMDEh7fgEDX3BSoK9HV59BS6yNY8E"
    "NdgcLIpo+bfoNxZxeO5y77itnc2ni1+mhVWaE6iY5L5lQQaGraBm/D/vq9HTIcBOU2XtrD"
    "fvo6u2xrAnMrhmtraHVyUhHH47q+Z00sA9cA13Wiq55ClkJru3B18nvkqhFxNwXqBjrpE0"
    "JNsn6ifVBC/ElskcXcn2hbFq0q0X9CibCYHKQGY58Po4swg9JyS7SAsnGLKYG8YZGLDAuP"
    "nNSzZl9fna/OA4PgFTCxHoDWA0XtLBPSmjEC8gGCToKyd39DD3BFNGPEQxN+S1Ce9hG8Q+"
    "CsElfHlL/FEyFzhr7uQY8MUqV5txOXzuARXx1xJXj01z1RWi8kFK2GfYCwY4oXMqbEeArI"
    "R+ErcHWIYMim9sLnQDNvQYMnmBZHwyUE6EhfnTMUkMvMCCY0xSIx2yM/PFGcDxK6LSOo6A"
    "f0mDGQnojDf4pBeNeUViQ1aQLTTglMjHyXrJjWY2HiTiiwvbydJh2oQerOX4fDo6OT4cHR"
    "69NXxycnr04P4kSe/K2ytJ7zy/cQKBwknab5yGG8eChFzJNCPaTZ1B8q1NSxrVQ5azuRaW"
    "vg1s+wgb1WBdyovWbSVGLSGLYFVmnk/ldbj6XC/QO+/hVDR/HX0fBaHr/Nh+1D82GddOaU"
    "pKbktHmUgyCgqiobCD2RZU81gWZ02Z3kHnbn21k/9ZDFMegNkw97F8weZNIPU597QQJidt"
    "rWgGvFpM52ztVGczrzJJYg5lkThSUIePZoQqu5w9ejCN045J7y/9NEoUochepwVWMqdBEi"
    "FaJCdbz6S1dYL04Vf2fF8arkp/hi3Gq1GlQLYH2e0jiqghPhp+kyiNoswkRxhi3zjYgJQW"
    "zFJQZ1zQECri8aL5FDx9RcorHvIeyblkddySlMzT0Kwl+fLT7d+MWHyFQbLx9EB1GsCCr5"
    "WqZJnDco3I/QFD/DA4JTnPiTg6Od+M4/mfDLzxZZiHjUrHIq/OrZBeV+CRC/4pOfkncLQ0"
    "5lrqBiTbvUB9RwCKqVuvagJN6kfZoN1/BUTcXUCZiqbmPtwOxZQkqVNKTcdlN1d1gJaldM"
    "vnRovEnn9d0SDkJSai0iQsuw3B4PocQNRiKi/IbeGnXqfctGo6rjJjkLKzjD0guBdomVIJ"
    "tbbGsodpbT8vOjEJnWVSd6Zbu6lYr9i6OQtmuqDMFGbNLQey4xzld+9WKbPExHq2aJi0OK"
    "hUBQ0u2JcGOXP5MFBxJTOmPCTHagTBsKKmUwUcwtqOMGtu7ctWbYXYJswSnINT4ArO77JN"
    "HSJROfAc+SK4p8ns4EmxPO16F8UcKiBrzgkIqyNm9EMTqEkW09R+8l+JxhgdngVaiHREmW"
    "NYvRQTjvW+ExO8kGU5o4kXnCm/gubzR3qekbwY1CAz2MGVa1bWoNMfawrkaJmW55asSuWK"
    "CH8dxhJTNyWGJGDvNmZPLNcjjfkx8Fqm9GrAcnm5QZiRe/36fsw9yZD7GNeHVz/T5qnj0I"
    "opPFwe7e/nrx7tNVd09AYsaUmL69XuXzjKxmAbWbBaQr3Pd/lOHEljWGOCGmx7fN46tPMO"
    "j7CBv8W1zrjOOUoB7jNo+xBZ4ED8i1yjUpJaK6IGVay80zc4Os8xGkCUN9gxG4WCTBjLJy"
    "rEVd6HKsKuVYCX4aAY0kPE4ijX/xcasZsd4cRzc8PD45Pj16fRyHkOIrZZGjPLAe9bC9Br"
    "I5OQ1tFlrNJCiGur9MAl3QtG+jLlHMchRfWZwjryaUcB4KOtD0h3XLMERhqNwoFHN5EiL6"
    "PLdyNslUeiawPs8tHWJPTKgKDJLsElADvh9XPXVrzaiKcMGymUKbvwu6/nR1pZRptb2ayl"
    "2Z3Glv8Y5K33Zkmqaw2nHl2y5CpgvftrvwbSdh20Hl2y5+e8JfObI8snH1d1Ft85J31NcZ"
    "FSodGy9VlbW0TqIk+JCbLlG8jx59b2vmqRtT7I0Y8Tz+0HqSiN/yHu/CDnuGrwI3+Rw7Dj"
    "HfkWfLgF+VYyin7g/KeMpj0ZL/Umhaka4MxViheVBhNtqliBmVmI33LcSfay+RRxEF1m5w"
    "n4GYqNIqOhnEtVlTjOWGniHhEX+J99nQFgtkAtZvJsV3daNyidgyH1pVl1k4i9vLBt6iw6"
    "yYI2zG071qhHkl0UOWcP2x5TWPN9QHGg7aGBKQ8CbT62BVL3RGTHuiXyjvlbDGNvSW9vBI"
    "k0G2xFd6cqX8pG/P7t6evbtQy7urL0EspYpKlLCsqlqshKXU5Go6GGRfRRKg7ED1fehGJH"
    "P9jatM8F9xlABURoE/FyLFKlCKxGBK6rTU1usGdfZZW2o49pAnVlJ33+Z7BUxNPg/5q5gS"
    "Y+1uhm27uA6/rIPecGyOhievY2UW/ihTX+8+nF1d5QO8E5f+H5Es+6VkvJWQpt8p0O8CK3"
    "DEJyxdENXz6PPCGvsXsM/pO+ulwrOC0qeKmfB3axc+7UQiPKtQ9rQ+NScR7pQoOelgaLGK"
    "k4y/VvUyQeMgjTyKGyHsEmRT+kTghkv9xylUixsgyxG6ilBPqJvQUMLscn6ff86hV2gmcz"
    "c1+7Aq+eurYVXzMOlDiOouCrcIp3NV7TNq30Mv0mGlXPPDklzzw3yuOS4wgIsRXkn0EOPT"
    "CgifFuJ7qgvC9Z3QW4XGHY2dckG4laD23kkqwu3KHdEyP3cT/ogyJ+nWz0BoGd512gLyZa"
    "IGcHvOhs4tqTWUfavPLkufiVBcQ3x1aMLLFcTD6tjVDLTPYCyBITQnLuPqfsTyQ3gcmENh"
    "r/voYcHn1dR7GARHux5AtP5wAIXFosLfBvX54PDrgIuo1s0HMFnDW1ZTfNuPl5IH0lXpwp"
    "dwYysuZeEl7w5QtRrgmlOwS05BZsSq7v8ZsR7aLA0c3bntUuHtBrj+AlgO9ZTYMVH7/qmv"
    "jRTQCzYZiVZlU1ywVq9EMhhPQKaDU7gE1Xc3n86vLtDH24u3l3eXN9dpA1rcTAcWbi/Orr"
    "Rn48/IQ2rbsSftHdr1WUiFRafV66v3LglnUL3w9I4pSNnkOpkVmM+/K7EDU5l/1cxA4AyJ"
    "45gQF3mDVl0ERzuFxaTh/CZxutI+gvewwvAaXxWies+J0tOmnJnUyFPUInMDYWB9g0rRHB"
    "TqZq4xf/wvEif1Kp31pO28Xdp5OiKVUpCPhhX046NhoXoMtzJu9NSXUdmPnpLqnyFSvxW9"
    "Y92pZWjXEwLSh5g1foiZSTxs2RLS6W93N9dFyTuxSNaeg+Mm/oOActTUSpxguYx9y/Ysh+"
    "3DY3dBdAGIUqZdrip9tgB9ZspDB9mq9NrULv4c+ksiSOq0VfeOpIy2ujV7QLMHdo93U+wB"
    "8a3XgGvPiQPJJVGZM5DX5eNzvesp8ZU8VLwf01qtPIWijw3qMkn8amG5pmJfGpSEquZBO4"
    "sPKhf88zDLjk3pgiGuYHp0PgjPJ38Ic6kfkDUJGlsMEvZkhPZa+lT2julzzdtBYdf6e7Ey"
    "0l/9XVdoUPq+2jS8lSKjfE9x1uF4x3LaSGuRkdY2NHtvpbUN8KbMtNTnrk21MmizK6o+2b"
    "sLBIuNDLps9ViJcScpMFts6OWq265l9YUn06ApfiYxl/0NkNMXGA7pnlAXrDgC7QYi7Riz"
    "8E9i7qP3lDCRiSxO9C4kzW/roerndSfmQECl0Faltiq7t+H0wswwiWExRT5MUqZ/IYuaU7"
    "SjJXSNDykjqu31Nn9I8WApW+wJyQ33pe4MrzbZtcnedsCbMtkz3/t2jPZ2Lg0vYptfVbXV"
    "3nurPa51KzHXk3Vwi+30uGR8Zfvc9wgSFvAYO0Ehep9/WMElUSTwTbIWmDCQwWLmrVm+Kh"
    "hkHiwX3BiWm+VNPeur89W59NCUcpCzEd+B6OKRUjPuwvKChAqHohlfdfgDDRL4AxiyrYkH"
    "Zj/vDnqAZIsxgUR5CKi9ARHQON3qgeMUu/uJ38ua/tn0iUGQVKGURKHLo9XtBRAjpaB3Re"
    "17qHHVbBfuLEui3Sj3oNhAy1StLVD6ta+wGH3NQNEMlNYNbyWPVqADrjHCKUE9xm0eY11K"
    "shmnZfgJKMMay2lPcHs8wS0Ds/eO4Jbh3ZQfWNfnrL8+p3QN1l72F9DN7lYbJDKlDxndMI"
    "spe7ZpTyZ3ozlM1/w/exLHubg+KHOaO/xSRYf5jUPQIx+IBV6iuUthpPfRmRMcywr9oGD+"
    "sPDgMMFAA78yb4JcPooLYoaMs5nl+J7ET97MIzY4rExN7ajTQdei08lOq3iPToudR6cHL5"
    "1OJv6rAHTUXvtCK/hCn4mrSvZKiPQQ4gaqH3nYXc9tkpbsoS+0T44TRoizzhivxPQAt3qA"
    "pwRUMfURTspp32ebR5ivt54vsVDKfEmRRA+3wvqrkPPHOWTFw0mjXFjtMiO1vXNlm0Q6qH"
    "w5PDw+OT49en0cF7yMr5TVucyfebrDGmrdWZBqK5aWc46qkA3rtOw9a2IZuIgal7o/KLf0"
    "Vy0VLP6kmKCGBZljwD0L6WbAWQvOwgyPavkLQ4waT4Q3A9ucEQd4Z3Jrv97uq7DSgHaXTz"
    "sbSMv5imH0jKk+tLOmz3MDVppnebaSkyAW6OG+3cgJF4XE6GKMEyL9RLkizKU454C2yTOx"
    "VWCOBbYHMldAfrlpaoVoWgmNF22FdTkpo4Pwmuv3JzSOuc5oPXPNa52BzspqN0ibRxoIqm"
    "slJ2M9vl0YXzCK1IlooZTeAfM7YMJqrIpmQkRTJcvpZn7ItNF8qDLGTmJCybMxJSvA9lBt"
    "52f/MoEvtVKmcOWvgK4/XV3t6vSvG9cUPqyc0y+4MSjz9lFoouDmE+3BzwbuNpho+wiO5G"
    "L8wcgyyWxOPeIYS/RElonsVYsJv5xoJXqQO/nq7Fx6SHPiy0j0J/i/+VOaFR2Aq4JVURyI"
    "/JhbfGlTP+9LOwXrdgp2I5y39/Hi+t3l9fuuulM86mGJv+odMawZtgu8r5FM1lAIhPZD4e"
    "5u1zJ03128vfxwdvXT4fEgoA+tjruNgD/OeQOzK5bCZJaI9i/Z4XBYJQubtyqe0cNcJvaE"
    "P5+4czcMLVcFPCPWP7Drpx9q3+E6K0nnPA4JpUhxmNOS2q/U5lGeY2udLzkhpse3zeNrgC"
    "vAttdbrjOyeqTbPNLaoakdmrv2vRU5NNWyD7mBNdsw51A41C55Pz0Cu9GEwxVgRe7JCM0X"
    "XJSjePSq+SnnLjV9wxNuQidwCw5WJerhRUR5O26hGfxfwoO4RAvikjcBgzAUn+ElMqaYG3"
    "NIVMiT+y2bfFgVqmKIUOiADLuTV9BXJiieW4+FbGzpGi8hYYff9GZuyOYZ2H8dDo+OToYH"
    "R69PXx2fnLw6PYip2PlbZZzs88v3QMtO7dkRT1snN+6Ktig+P0XvZCzzp/ROHih4J7/72P"
    "EsT+KWLFw+kiI6k0OSyRGv6wrKd1JGa9+5JSDeGpU2urTcWnO1ZSbqNre83Rdpatts3nKV"
    "JhrxADY0M2M+QcfgrmpnJtfOl5kz4aJQA64fVz11axWpCmx6/Swgz+QXihqgrVxXrKtztk"
    "phsd3QkqJZLbH8ExO+5OD0oJG60b+PLqDufWRLc/QYYeghLFbysI/uqG0iUeWeiVr51HgC"
    "2/1AmOMugcsORQEDJKgdZFCfi5gWw1y7KChItNWnKx/IzqjrjeKNIPINmATbo6jornYMaM"
    "dA69bBLTgGkm+Wg/me/CiY5BmxLdLE9prdc6Rxq4vf71Mhq1y+fBy2urq5fh81zybRa4/M"
    "9jwy1LUeLYev7+vAnBfeGO926q61we2SR9/G7lpo52Q12OVgp/SWPNYvZCCmZTX/oM38A6"
    "71cvXX8UYAf36o7/jnYBfqoTnh7bmZD5pVSY+GJ69jJRT+KFM77/j3dSXzxnHTQ8FfH7fX"
    "znqJb5MvzI9k5LtKBRtSQv1jCQ8PjqtwsqFZicJ+nGNlC9gkXI4z18XLEqRl+RwVS1utp6"
    "mvUmfGvmV7lsP24Xm7yJ4BlfzLt+wSkPIKVF0HUkK9WVLrWwnYyCELiceEUptgp2B+xkIZ"
    "QMdcqilE4yvbnYrnNzdXKf3j/DJrLX76cH5x+9NhRiHMY11YtLhw9hbXLG5w6h52ZOrqJI"
    "xiqPt7WJs/N9cc9bSkHvW2jLrEtArfXgfj/3RHJrUN8O2ENhM5nHxn8qHilCXRE1To35UR"
    "b5lRVkj9lpDNgGa9RZZ8V5BqlCTve2P64+KZONJgefL2oJQoLxqKNi+Gy6GuxoS3YFG5DV"
    "HWMKi34fIRXsYn6FhecPg7MNX5L7CXnmUwBMHKMWYETTGTFu1t4gE1H9CjI9jbimATmLyK"
    "RNakzLaJrN0pebLC+In/IBVNLmrfQx2u/somc7y0KZbgW1xTPyGyUU39tkFdAm1tRfW1S6"
    "LarO+mcVrkksgZTbvhLd6SZ1p8kELibqky5sbtFAiMfMdzl9EpBokekOWgW2JabIB8B2qk"
    "xQXPuCE+CA9AcCjy6BNxAs6gBbRBrla5XNrADhoT9IxtvpflNLVtPrgKbbFS2TTFAki1+i"
    "tadORijXy4Yu2ND5+vRECMBfqoWwyrIM5blVSZytFZWlQUp23od2RPK+SytGVTo1Sagy+u"
    "l29kvIXCFgbN/8KQoN1AAc/PU4oWrgWGvkfF9mHTR/4/44mJ7HiXLgaIUfTAyPcHYezz7e"
    "QRz5lImZ9Q26aLoMCnQWczLiHfwLbzWDXWffHutVtGd4v2rxpr9pV4H+bUmCq5HiIB7XcY"
    "vOh34B+QmmstFOgNb+RPkkPbMk9976N2LcN720E72NBHwge8aTgKVJw4etJN7Xe78agVYA"
    "UKY4VYVGL4quuOXEXjL4SEWFDgHboZQI6kS0Arc5EBUaSf/blQ01xiUMi13Ec3kFLpcGUP"
    "uyQMLBV4Ohp4hrTUvAAgTL3kG162vLwOVLUyUNV+ZaYnQ5CJDaroMrFAD71L9ZfV1pErHb"
    "lq31D0LHKVygNdbfxVVzQ3dML1cEGrzcFTYptF8G1omUWu0I7hXdUwS8xLeW2j3TimP5Px"
    "lNKnD+EB0RKLI9Oi1OxYBG1H4XnTCrZHKBHUcKWgxyNG3Oe4kmsQGJ34DNtxnBOOlccOg0"
    "qupmg1QNYkuiEaF1khjT6tipeamzXEeg62GLW6L2WnzPTSR12XTlZsdRh8IqsAHbXvnx/v"
    "aFgB66NhIdZwa+eH1bca4UYq6CRXE0VVNyPaQ123I7ptOyPYf/w//hWC0A=="
)
