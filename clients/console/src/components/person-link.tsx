// The name of a person, as it stands in lists.

/** A person's name. */
export const PersonLink = ({ id, name }: { id: string; name: string }) => (
  <b title={id}>
    {name}
  </b>
);
