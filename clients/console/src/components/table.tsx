// Lists of rows: a table, on a phone one block per row.

import type { ReactNode } from "react";

export interface Column<T> {
  name: string;
  head: string;
  cell: (row: T) => ReactNode;
  /** Numbers stand at the end. */
  end?: boolean;
  /** Without a label on a phone: the name of the row, buttons. */
  bare?: boolean;
}

export function Table<T>({ label, columns, rows, id }: { label: string; columns: Column<T>[]; rows: readonly T[]; id: (row: T) => string }) {
  return (
    <table className="table" role="table" aria-label={label}>
      <thead role="rowgroup">
        <tr role="row">
          {columns.map(({ name, head, end }) => (
            <th key={name} role="columnheader" scope="col" data-end={end}>
              {head}
            </th>
          ))}
        </tr>
      </thead>
      <tbody role="rowgroup">
        {rows.map((row) => (
          <tr key={id(row)} role="row">
            {columns.map(({ name, head, cell, end, bare }) => (
              <td key={name} role="cell" data-end={end} data-label={bare ? undefined : head}>
                {cell(row)}
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}
