// Text by its key, so that toasts and dialogs on the screen change with the language.

import type { ReactElement } from "react";
import type { Values, Words } from "../i18n";

function Said({ use, name, values }: { use: Words<string>; name: string; values: Values | undefined }) {
  return use()(name, values);
}

/** Return an element that renders a key of a file of words in the current language. */
export const said = <K extends string>(use: Words<K>, name: K, values?: Values): ReactElement => (
  <Said use={use as unknown as Words<string>} name={name} values={values} />
);
