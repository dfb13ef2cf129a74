"""Addresses in one form; names and titles as they are searched; guests of a banned network, who may watch only."""

from tortoise import BaseDBAsyncClient

from migrations import functions

RUN_IN_TRANSACTION = True


async def upgrade(db: BaseDBAsyncClient) -> str:
    # By hand: the models do not know of generated columns, which nobody writes and only searches read. The index of
    # messages is not made anew, which would keep all chat waiting: messages from before are found as they were.
    return (
        functions.apply("message_terms", "message_query", "message_contains", "search_form")
        + """
ALTER TABLE "users" ADD "search_form" TEXT GENERATED ALWAYS AS (search_form("username" || E'\\n' || "email")) STORED;
ALTER TABLE "products" ADD "search_form" TEXT
    GENERATED ALWAYS AS (search_form("name" || E'\\n' || "description")) STORED;
CREATE INDEX "users_of_the_staff" ON "users" ("id") INCLUDE ("username") WHERE "role" <> 'USER';
-- Of two accounts of one address each keeps its own spelling, under which it is still found.
UPDATE "users" u SET "email" = lower(normalize(u."email", NFKC))
WHERE u."email" <> lower(normalize(u."email", NFKC)) AND NOT EXISTS (
    SELECT FROM "users" x WHERE x."id" <> u."id"
        AND lower(normalize(x."email", NFKC)) = lower(normalize(u."email", NFKC))
);
ALTER TABLE "sanctions" DROP CONSTRAINT "sanctions_mute_in_a_room";"""
    )


async def downgrade(db: BaseDBAsyncClient) -> str:
    return """
        DELETE FROM "sanctions" WHERE "kind" = 'MUTE' AND "stream_key" IS NULL;
        ALTER TABLE "sanctions"
            ADD CONSTRAINT "sanctions_mute_in_a_room" CHECK ("kind" = 'BAN' OR "stream_key" IS NOT NULL);
        DROP INDEX "users_of_the_staff";
        ALTER TABLE "products" DROP COLUMN "search_form";
        ALTER TABLE "users" DROP COLUMN "search_form";
        DROP FUNCTION "search_form";"""


MODELS_STATE = (
    "eJztXWtz2zbW/isYfWl2RvXY8iXZ9J13RrbV1q0veWN529kko0AkZLGmCIUXK9pu/vuLA1"
    "7EC0iDkiiRDD5sNyZxQOo5IHAuDw7+7syoTkzn4MEhduct+rtj4Rlh/0hc76IOns9XV+GC"
    "i8cmb+ixFvwKHjuujTWXXZxg0yHskk4czTbmrkEtaHpnEYQ1jXqWe4CuXAeRH2fYMBHWdZ"
    "s4DjIc5LjUJjoyLGTSBbGRhh2CqGUuu8ihyJ1iFxkuNPQs44tHoCF5JvYSOXNimob1eACv"
    "olONvQv7a6dP9W+OXPpI3CmH88MndtmwdPKVOPDnh45mE+wSfYRdkDD0zidoMn8aTQxi6g"
    "kNsJvsFr8+cpdzfu3h4eryZ94SfuV4pFHTm1mr1vOlO6VW1NzzDP0AZODeI7GIDQ+PKcjy"
    "TDNQZHjJ/xXsgmt7JHp9fXVBJxPsmaDmzv9MPEsD7SL+JPjPyf8GrxZrNhrd3g1H94PhaN"
    "TJjAp4hZTKgksatWBEGZYL4P39ze93BQi/2oEHXPzaf//q+OwfHALquI82v8nh6nzjgtjF"
    "vihXxAplAmMhC/TFFNtioCOBFNbsVatBOQSoAkg7M/x1ZBLr0Z2yP3unJwUY/6v/nsPMWn"
    "GcKfvW/RngNrjV8+8B3it8YXrg/y4BcVxmOyiHF1Ywr6aoneN83JOA+biXizLcSoI8x46z"
    "oLY+mmJnWgbpjGAL4e6dnkoN69OCYX2aRtymZqkhHbbfHb6dh/vB+6rm4iTCR2cSAB+d5e"
    "ILt5LwOi52PacMwCuJHULcvxhe/WvQWJA9Zr6wn6ePmFHisHcrA7dAdi3gg+WunlPH6eGh"
    "BOisVS7q/F4S9qQJmAT8kt1xjRkRg56UTMGtB6IH4T+aOHGzH6jfMbs7GBgF4A+vbgb3w/"
    "7NO3jczHG+mBy//nAAd3r86jJ19VX664g6QX9cDX9F8Cf6993tIG1HRu2G/+7AO2HPpSOL"
    "LkbMh1iN4fBqiFrSDprra2o9Kam0XhethxjF1M7fHhy6yVPM2YALY6w9LTAztBJ34gseA4"
    "H9oOzgOA8kf/79PTExxzY7DAJv/Z730sAh8C0c9OHV1VBYYWQaDnwHYK9uCtQ17+oP1lNb"
    "wZoRx8GPZFOgbvxumreQy4HEfqTNERiZ9HFTqKLOBpZrL9s6sOaGtemgemdYbUXHwX5AbO"
    "OZPOinrTgF0xN7ukm2gVcwT10G3bUVNrZgEXtTrO6gk7YiZFHXmBga3saguo311Va8/qLj"
    "TWH6jY7bhA6Y67RH8wz47K1Zb5a+gi02GenBs+FJSQNdkGhbme75qbbASZBPtvkCftbriS"
    "wRPNNBBvvLpnTmIGzpyIJMFtKm2GLWIs93+akud0rQ3DZm2F6CrDivts0HfLQ+WkN2DVI1"
    "Y0jA2WTiOaw7cGsdF8/mjp+KYypjv103NJf34Uf+3vJ8HcLINJ7D90JTDLk9bLNB6b8KdR"
    "GPWq2Zr2Ov2WFNPsSijTkNpsyPHBWm96Bp5rPLD7gFzVuXdDqTyTmd5aeczoKMU36GzzXc"
    "crH6SKCNyRCpiGavIKLZy0Y042+WwXlIvrpinFNiO4zb7yFFPRz8OUwErUJEX930//xHIn"
    "B1fXf7S9g8poGL67vzZqZJ7i9+HVw+XA8uG5sp0aZE98y1wrdp2S0EcOsZamlgvDYbpg+s"
    "hXX0nJBUWq6zlk2wzsqrOCam9Ftn/fqZ6fIKjsspDddZwxr7FomzTg49Lqh0XGcd+8HO0W"
    "JKLNbGHYFnL4hUUWoSbIm1nddFSvFj1kdV1m90ZbfaPr+7u04o+vwq7VA83JwPmCHMNcwa"
    "GS6/fHU7TLMLCX4aPRtkERC9k/hfWTnuXVoshTlE3CqC/LAqN+MR3uDH3tHJ65M3x2cnb1"
    "gT/pbRldcFGskC61IXm2sgm5FT0KahVSSrfKibSbdRJKvvUet5JKu41ifsg/Vspry5TXVP"
    "43H3rJlgPObOpzkdrDWr1sweDObVf/Z6x8eve4fHZ29OT16/Pn1zGE2w2VtFM+351S8w2S"
    "ZUnZ19w+xHRgv5+5diItvcxFRfc/yFPUsZFmES3Sy0P1ObGI/W72TJAb5i74EtTWTtprb2"
    "NRPSTN6WXbbxIkq0xQcU++2cZ8J//Xs23by/uhh2CueQLeD7btVTs+YMWYRzps0E2uxd0O"
    "3D9XXnmwwLNuhoY36ZNPJNGdypvUd0Y6bwe9ZHe0ZmLWjCTcRq5yzhRn5we6YJN3FgKZZw"
    "zVjCTRxEPHo7Mlyy8XLHKa9XrKM2jahSRMVYaGyK3ZFDXJc9tAjXO4sMKfvPy+hesB7vgw"
    "5bNBRLcjtDq1NA7owZpPnsztD45a2k6J2BxAEa8GIkPsUSsd8ArMnP7JrDGn8+QPfU1BH1"
    "OOsSQ7ET7QnRCTp8C/xJm8BliwY8ypBi6TER3WCruk2ImPu506fLcDV90mfghTjUdkc0ZL"
    "oDExNomTrB5ohYOk8Aliu9UhRAko0XBSO/vtTMHUaL8gmbZcuFtLhUiKJrQt+damf+ndE1"
    "57ahCUb2JdGMGTZzsqihTDon4QsdBMINHOkF6F8OLq5u+tevjg67vVR6OlTDSWZYU9t4NC"
    "w2v68Dc1Z4Y7zraeZsDW6bPHomttdCOyOrwC4GO2G3ZLEuTG2mZRXpqT65zGwKm1m9vFTh"
    "CODPqvqefQ5mrh2aEW4NMeS49/osMkLhjyKz8559X9fZrCR3PbKQ5qIZtd8ditXb9ltj2L"
    "CJ+ZGMPLtU8cSEUPvqRfUOT95I2esnbwoMdrgpwFoQqunbNl4WIC0ih0F6pDJLfVUQdOwZ"
    "pmtYzgE8bx81QcEk//ApPQUkogKy80BCqDVT6vZmAmdkkYUgYlLEzF0JKS5uCS5uEFYrMX"
    "pjErsbukcNGbqKJpoPdTMJg4om+j1qXYYmmkgPyO+X5kJbrb6wbxVXUH+hgK3oRIVNNuTT"
    "3betuGE3xadLDNAczqIMiy7i5RkCO6GScpI1c8pqTC5oClJVFkHi3ENBljzkJOanyDnzkT"
    "eRyo9D8x8cxENixD5Af0wpWthM5Q5yKa8dZNJH9j/tKaxZtOD1iT475MtnXjzIougRz/06"
    "RhNqmnTh1y3S6GzGJMSJ8d08tlxGPD/Xvd9sa40qER31ZGI3rFV+4ZDem5eKEZE51QQnNO"
    "Tvi4gEdr0rojmHu8RsDfJFMJUXEDcCgdbEdHa8z2dfJnXNVtHWW9Q1w3vXBjUs6CPyTKyN"
    "d6aAiTOAjlrkxlRuK/qA5RiMEZrFVmOgPnnbkbf36YiYW3RoStiv6aInMneZUWaze9QhaM"
    "GMO2aWEQS/9wDdAdfRYpYetgnyx5suthK3/QCBPfjB/+kBIZItdZ9SFqIiQNaSAFl/M6Yl"
    "KojZ5eE0ImvFRAIqJphbkzV+QN3SpFgwqfx2f3ebQ3xciaTj7FD597+oykT2fshKAEYimJ"
    "4hnab5pd2kSwQdpEmnKsWVP+qbmeyQSXHFFn7ZGc0Owm8tnNC2Ftop8MpC+Db0ySQ3ZtcN"
    "b1mXLDYuEw7ZRf/+on85KPLHqnQzzrFlEf2SPAMfWeBpJO4XOhtj3pL9Mmgq6W/00aNHHP"
    "cHB/liCDusqQ3/Z7hIwxYaE+TCNqqJzfwEbFGw8H8C18CvrU+h6j6/55fW91/Cl3f8ztnl"
    "rB+yywcL/ZNwI2wwJPy3yLgpHxI3lMNSO4dFjz4M2cVmJdHC5Wb79vOa1H/F+t+/tSbF+k"
    "/Ng7LJoZSYKpz1QuA8Vi5h09B5+85nS5tqqcFVJ3MtUXBAYK6lCxLkm2uJYghy1hqcURRK"
    "wEZ2ahHY/O7yIO5PYTB3YbBh4/mx3QVP6kMCP1CmwBTbWq8v8wJyjajaMORqxAqo/nwix2"
    "RrBQxNNg7Zq+iCFFPxri9hB61JaW9j5xfzUP5DRGS4oh0KKyG1Q6HEDgXu9DGrE1hLROSV"
    "FWGeFVbYv4B9xt4psyS/TCoIqwBVTtLd65xfGaNgIzMnVn5QYOQkixPmmzjxeoiy8Sho7O"
    "emwwqBPN9sUvpE4IZNvccpJKm7yLC4rcLNE2rHLBQfK7jPPmcwaZg5MhPFoKp92LZ4kuU8"
    "s+07ZC9/H81h7OUbQ4tgOMtan2H7FkaRjqRq/xwV1P45ytb+wTkOcD7CK4kWYiyTFspPCm"
    "X2aatcaz7u7c21hrobL0uG71aCKnonYnMrdnF2xlLs4ib5AuJpYgvgtvzwhsyUWpq9XWX4"
    "OSx3LnDKYpXQ8z2y0M2R88aALBxIdLnHw3PrbEWaUp6pZ17NEi2gkioccweJ+AUce08sV0"
    "w8XrOvj9ZH67MDJ2TaTCefIdsPsWdDB28LI48NSHDJsJ/1/wl9hiu8mUN8PjNccA4QvIM/"
    "X/OrY8re4omQuYM+dqBHhyEK3XJaAbvw0eJX/Ed/7HAH0B/PaDWOunyvHN8jNyXak+9OBq"
    "9gkzkbTZzS4D8HmrkL6j8hLDPLEGK/sR9yqkOYwv14LvnqIqhXy3CbGtrUD7wzN2aMHYKI"
    "xX6Kxjf40QK2Q6JALfCxoSZt6moAMPyhmQZDfhS8SeSerkvgVt7qtr1VRdTe/Zaz+AcibR"
    "TGhVroxm6fcAIzZ9mdwXEZBbIEyDY1SwEctm8huEdnMrGutJMfC3WdpcGFBbsMuGH79rmM"
    "p1KBxNOCQOJpNpCYtU1KYC0Ubh/w258xVIBxHQuvTgFFKTpg4IOsVew5LqlIn3XWcm3oVi"
    "2fNMEuLRmZj4ls4BU359vZgFOryruFg2fL8WLPEVUpripSXM+x+iKosQ+12hCx9NGG8sem"
    "yR1w2BDFJIZuaNhzfbxwzqE8XkFs/TLotEXYlc0/pI4QFeUhsqeMFuQjEuebymUloKidbu"
    "hoAYF2l8KWwFnXzxpAJH4xXR4geLQRsLmYXQQbA9kty986yI+LE9RG2WbHpU+NC8+JYz+d"
    "2qlrjjf+i0SnXJfmiqndiNsNCedH5RXHKWFQH/ckDOrjXq5BDbdSMfjElyDtuSSkVLTnZc"
    "elKLiW77sURtW+S/cleWwZdspNDiuJ9o3ZSkLDOnGxYQpMvvxiPzGR3Rf7EZ1aA4/dRzJa"
    "lQBStNREu/VpqXEbVnbtiMsoPqrioyo+6v7xriq+yL/13QUYazonvAhrfErcoIZwmZCYTC"
    "XhdgfDqmLuQshVEC0LIrH5ETKI+crFxfoRcTRe2teZwhEOzMB06byLPMs1TPQ5qM7zGRkT"
    "v7HPlRVtkdxKn6WjYTHrLz/WtWcntV4BsGpopsp+zzdG2mu/q5pfpb6vOqlXiv7B1hRrnV"
    "2DkZxy0mrkpNUNzdZ7aXUDvCo3LfG5K1etCNr0jLoFRkjGzs1qoWSFnNgOwSaati8qIWnZ"
    "S1QN3Mihi+owCry6eI3GfNcuLHMo7995LvF3Oo6xJdz8+DZep6YLN/hGR2w52Yo1wFlYLm"
    "BjodDvq+pZsJvzykVTykBO+45d3sUjpXrUhRFssLQomrFJhz1QI+HuUNOYwBk0iHUHPaDx"
    "Eo1hNyUC0/wt3zvJbE1b3gVN5Imf2L30PklVpGe//ijXSQnzKmzfQsNqywVk9sasqDfKFW"
    "y9UzSAyneIqaiVilqpqFXLola+tbeGhhOCSsd11rEqaNau2GTNPpXWhyZrhndVkUlV0GyX"
    "Bc1WuCePGNuQR5I+2awl+FfKIklzb/LrwMXpOS/Wg1txg+RCkXynVFCtDMfKuk2X3WCrFP"
    "A/XORgQ38bnChNkE00CsdMgwsCsTqLjqm+RGMIFHq64VJbcDpJtY+SiQqGhQ2iDyhOToHw"
    "IIF9bqNws5airtQjVKiq8FQaY1FhLBXG2iP67Q1jZZYb2dVhJahcYIELHK3SWaO1YH90XG"
    "qt2pl1m7Z2tk+6wC8mYWGADT03QamBZmlD1oeLj0IJ9zg5Eyj3uAjazHSrqDv1ou5UcbzV"
    "L8BfuWfPzPGhE/e7RQ40Z8KMHL9pibLqgUR43ibvJqiLDv7r/a/9H3unZ3AbyqTbZMIWNn"
    "aLPhHL4YQXw+E1wQMGjX8G+ow+w7FVFL0nuujQ9V0+WMaz9sELHWfydW6whxU7zsHrl67C"
    "HJdSJ4XmkBTynelIUyVAj8soZogEM0SdZZ8AmE1DEgizVrkQ83spn9qzbWKVCgzFRFqI8v"
    "aHsTMXAty3bbzMmZ7nYnx3XXoDnrcPQuRw8Ofww6c0jNgsNUzD9u0LrlVR/t5dM7KWlFRk"
    "kiaQSVT8tNVq9py1dBwTUwqutYJjjmFJHScllZprp+ZMkLhMmG178aA7W+chikwgyL/RLY"
    "oAUWhSIvLD24fhF9hSdYCGq7PnyGxOXWJpS/RElrFtV8GZd7wV70Ec3dlm58KD5GJVr2P9"
    "cY5g+oS4ROPkiirgSsSuOszE8jiiUiEhtfNqJwfORUqRp4+GErtzmzvvBreXV7e/VIVt5U"
    "dHMffCFKxyRDNm2MwhroQy6fXNFzoIhNu1ul0OLq5u+tevjk66fv1gtpIZfsIgBP4kQ6hI"
    "z1glBrNAtH2O9lFPZlMha5U/onuZjYUT9nxiz22jXNQtJdY+sNURXfWYSRphJ9fUHarZB9"
    "YmLc+xsc6XHBNT+q2zfjUgfJjmetN1SlZpus6a3tshcA1ahNc/BW63Z5XVFNJKDyuL+U8u"
    "mW246YsH1K5YPy0Cu9IdXyvA8sKTIZovhChHkfbk4pRzm+qe5vIwoeWHBQOeGBDD4EX4/i"
    "vmoWnsXzyCuEQLYpO3PJgYis/wMjgYC/HSTuK4ZZUPk2GiBQgFAcigu/IFn9RJW3BvFydt"
    "8f/P4J8fTgjbt5DB05Pae9Qr2HvUy+494l9ayUBkJPNdBiIPSwQiv3jYcg1XEIHMnT7iIm"
    "ttRKkbpsE80js6eX3y5vjsJJo+oitFs0Y4Q6wwjabwEnZ2XEYZ2pkpIFoFSy10STm1aarc"
    "krf/mi11G807LtpCw5T/hh5lRB1oGNyyLmV87hTX2hVMJlvA9d2qp2bNIrLAJufPBLTsFd"
    "Dtw/V1RzBRbAFa6TJDTR2zMnWG9sNAuqWuMTE0nFfVJXG/W+TsW7GWJdz9uBjf57XA4HrH"
    "tnoBpYhOfH+b2A61fnCQQ7UnwppBNWaHWFCJRezgb7d7GZe+kHykyET7rc1iuGYp9z0SaK"
    "FFU4n/nrvxOB/jmEg7UZaEuRDnDNAmeSYCxlY+zJHADllxV7c/31U1Q1RNiVOslnUm58Zl"
    "SZkdYzwza2AdRadlVT68zppW+XCVD9+3I5iXDxefE7QzL/A3Ou4InD+43C3y+f6i4xKuHm"
    "v91q+bCX4Vdp6I3kVTumAytl/Qo+vf1viGEKgE4m8jYSr2CJz6w8t8BEf4hAfzuFNs8Wwt"
    "+yCFLuBuHru+a5jaeyJVx1O5i+rUn526Mcc9Cfv6uJdrX8OtdJqhERt7/u9h8DC4bKoTM7"
    "cpjHcBzPczbJpFubRIbndZ38OqUPbzaMe912dR5gz+KMqV3d/0r6+zyTGduNgo5XevJHY4"
    "anczXisq8PsFCjhlIf7t/u5WDHFMJO2CGZqL/ouqLOiyH0MdwEg4XiGmr276f6bhvri+O0"
    "8vf9DBeQZ6xxMVfylCPpTYCPjmeL3V4O4JClrnm3NB8w3suebgXYI3YlLRrFG8zoUyao2L"
    "r3HMj1kjGBZJqYhnreNgKrCd/xG1t7w7c57s9bSelFQx7jp/24RBuI6O43JKw3XWsMpiqC"
    "xGXbMY+yaz/UHGU0qfwqL1goxGqkW3KLmx8NuOAn5KiURHIOHvKqOQDkAMsedob5l/UtjE"
    "c7AJeQR+jhjPTVgO7C3TeasuMibhDd6Y5OQ3Kn2aTFrDJhoxntdJWRTVvdlexOy7qpiusY"
    "FcBuiwffsK3Ww/ZbEHclutEa6EQRifTUpasSnRFjqoTbdkM6bXfgyFPrENbSoyEII7hYYB"
    "XrV5yRzIV+zLC2uplfR72f694bbN/HWT2UvhqTuyc3tMpIUZ/97pqczkfnpacAzGaXpyh4"
    "+qBMJB8xaieyS1dB4VLJ1HgoM7qeUKz8DIT+DFRFTqtGQKb6+L2bf/B7rwMZQ="
)
