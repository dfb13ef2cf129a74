// Tables for spreadsheets.

const BYTE_ORDER = "\uFEFF"; // without it Excel reads Korean wrongly
const FORMULA = /^[=+\-@\t\r]/;

/** Return a value as a cell. Text that a spreadsheet would treat as a formula gets an apostrophe first: users write names and messages. */
function cell(value: unknown): string {
  if (value === null || value === undefined) return "";
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return `"${(FORMULA.test(text) ? `'${text}` : text).replaceAll('"', '""')}"`;
}

/** Return rows as a CSV file: their fields are the columns, and values other than texts and numbers are JSON. */
export function csv(rows: readonly Readonly<Record<string, unknown>>[]): string {
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const lines = rows.map((row) => columns.map((column) => cell(row[column])).join(","));
  return BYTE_ORDER + [columns.map(cell).join(","), ...lines].join("\r\n") + "\r\n";
}

/** Have the browser store a text as a file. */
export function save(name: string, text: string, type: string): void {
  const address = URL.createObjectURL(new Blob([text], { type }));
  Object.assign(document.createElement("a"), { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000); // the browser has read it by then
}
