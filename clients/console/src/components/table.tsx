// Lists of rows: a table, on a phone one block per row.

import type { ReactNode } from "react";

export interface Column<T> {
  name: string;
  head: string;
  cell: (row: T) => ReactNode;
  /** Whether the column has numbers, which are aligned at the end. */
  end?: boolean;
  /** Whether it has no label on a phone, such as the name of the row or buttons. */
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
