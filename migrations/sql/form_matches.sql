-- Whether a search form may contain another: it has all pairs of its letters, wherever they are. Of one letter it has a
-- pair that begins with it, or it ends with it. Part of the calling statement when that is planned, which finds the index.
CREATE OR REPLACE FUNCTION "form_matches"("form" TEXT, "asked" TEXT) RETURNS BOOL
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT form_terms(form) @@ form_query(asked)
$$;
