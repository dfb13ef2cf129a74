-- What a text is found by: its words, as long as an index entry may be, and of each run of an unspaced script every two
-- neighbours and the last letter alone, so that each of its letters begins a term. Letters are the same whether they are
-- full-width or half-width, composed or decomposed, capital or small.
--
-- Every message that is stored is split here, so texts of ASCII, Hangul and pictures take a short way to the same terms:
-- nothing in them is folded but capitals, and of compatibility jamo (ㅋㅋ) what NFKC makes of them. Words of more than 64
-- letters are left to the long way, too.
CREATE OR REPLACE FUNCTION "message_terms"("message" TEXT) RETURNS TSVECTOR
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE COST 2000
AS $$
DECLARE
    folded TEXT := lower(message);
    terms TEXT[];
    run TEXT;
BEGIN
    IF folded ~ '[^\t\n\r -~가-힣\U0001f300-\U0001faff]' THEN
        folded := lower(normalize(message, NFKC));
    END IF;
    IF folded !~ '[^\t\n\r -~가-힣\u1100-\u1112\u1161-\u1175\U0001f300-\U0001faff]|[0-9a-z]{65}' THEN
        terms := array_remove(regexp_split_to_array(folded, '[^0-9a-z]+'), '');
        IF octet_length(folded) > length(folded) THEN
            FOREACH run IN ARRAY regexp_split_to_array(folded, '[^가-힣\u1100-\u1112\u1161-\u1175]+') LOOP
                FOR place IN 1 .. length(run) LOOP
                    terms := terms || substr(run, place, 2);
                END LOOP;
            END LOOP;
        END IF;
        RETURN array_to_tsvector(terms);
    END IF;
    RETURN array_to_tsvector(ARRAY(
        SELECT CASE WHEN part[1] IS NULL THEN left(part[2], 64) ELSE substr(part[1], place, 2) END
        FROM
            regexp_matches(replace(lower(regexp_replace(normalize(message, NFKC), '[\u0001-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u00ad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164\ue000-\uf8ff\ufdd0-\ufdef\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffc\ufffe\uffff\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d159\U0001d173-\U0001d17a\U0001fffe\U0001ffff\U0002fffe\U0002ffff\U0003fffe\U0003ffff\U0004fffe\U0004ffff\U0005fffe\U0005ffff\U0006fffe\U0006ffff\U0007fffe\U0007ffff\U0008fffe\U0008ffff\U0009fffe\U0009ffff\U000afffe\U000affff\U000bfffe\U000bffff\U000cfffe\U000cffff\U000dfffe-\U000e0fff\U000efffe-\U0010ffff]', '', 'g')), 'ß', 'ss'), '([\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u3005-\u3007\u3031-\ud7ff\uf900-\ufaff\U00020000-\U0003ffff]+)|([^\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u3005-\u3007\u3031-\ud7ff\uf900-\ufaff\U00020000-\U0003ffff\u0001-\u002f\u003a-\u0040\u005b-\u0060\u007b-\u00bf\u2000-\u2bff\u2e00-\u2e7f\u3000-\u3030\ue000-\uf8ff\ufe00-\uffff\U0001f000-\U0001ffff\U000e0000-\U0010ffff]+)', 'g') AS part,
            generate_series(1, coalesce(length(part[1]), 1)) AS place
    ));
END
$$;
