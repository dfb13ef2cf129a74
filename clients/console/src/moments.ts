// Times in fields, and times without an end.

/** Return whether a sanction has no end: then the gateway writes the year 9999. */
export const endless = (until: string): boolean => until.startsWith("9999");

/** Return the value of a date-and-time field for a moment. */
export function toField(moment: string | null): string {
  if (!moment) return "";
  const date = new Date(moment);
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

/** Return the moment in a date-and-time field, null for an empty one. */
export const fromField = (text: string): string | null => (text ? new Date(text).toISOString() : null);
