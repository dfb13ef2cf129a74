-- What a name or title is found by, given its search form: every two neighbouring letters, and the last one alone.
CREATE OR REPLACE FUNCTION "form_terms"("form" TEXT) RETURNS TSVECTOR
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE COST 2000
AS $$
DECLARE
    letters TEXT[] := string_to_array(form, NULL);
    terms TEXT[] := letters;
BEGIN
    FOR place IN 1 .. cardinality(letters) - 1 LOOP
        terms[place] := letters[place] || letters[place + 1];
    END LOOP;
    RETURN array_to_tsvector(terms);
END
$$;
