-- What a text is found by: its words, as long as an index entry may be, and of each run of an unspaced script every two
-- neighbours and the last letter alone, so that each of its letters begins a term. Letters are the same whether they are
-- full-width or half-width, composed or decomposed, capital or small.
CREATE OR REPLACE FUNCTION "message_terms"("message" TEXT) RETURNS TSVECTOR
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE COST 2000
AS $$
BEGIN
    RETURN array_to_tsvector(ARRAY(
        SELECT CASE WHEN part[1] IS NULL THEN left(part[2], 64) ELSE substr(part[1], place, 2) END
        FROM
            regexp_matches(lower(normalize(message, NFKC)), '([\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u3005-\u3007\u3031-\ud7ff\uf900-\ufaff\U00020000-\U0003ffff]+)|([^\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u3005-\u3007\u3031-\ud7ff\uf900-\ufaff\U00020000-\U0003ffff\u0001-\u002f\u003a-\u0040\u005b-\u0060\u007b-\u00bf\u2000-\u2bff\u2e00-\u2e7f\u3000-\u3030\ue000-\uf8ff\ufe00-\uffff\U0001f000-\U0001ffff\U000e0000-\U0010ffff]+)', 'g') AS part,
            generate_series(1, coalesce(length(part[1]), 1)) AS place
    ));
END
$$;
