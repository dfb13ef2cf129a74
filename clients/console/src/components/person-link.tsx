// The name of a person in lists.

import { Link } from "wouter";

/** A link to the page of a person. */
export const PersonLink = ({ id, name }: { id: string; name: string }) => (
  <Link href={`/people/${id}`} className="strong">
    {name}
  </Link>
);
