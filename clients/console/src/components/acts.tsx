// Buttons that change something, and the dialogs in which changes are written.

import { Button, type ButtonProps, Code } from "@mantine/core";
import { type ReactNode, useState } from "react";
import { queries } from "../queries";
import { useOnline } from "../shell";
import { useShellWords } from "../words/shell";
import { Dialog } from "./dialogs";
import { Problem } from "./problem";
import { attempt } from "./toasts";

/** Read again the lists whose path begins with one of these. */
export const refresh = (...paths: string[]): Promise<unknown> =>
  queries.invalidateQueries({ predicate: ({ queryKey }) => paths.some((path) => String(queryKey[0]).startsWith(path)) });

interface ActProps extends ButtonProps {
  /** What the button does; a failure is said in a toast. */
  run: () => unknown;
  children: ReactNode;
  "aria-label"?: string;
}

/** A button that changes something: busy until that is done, and off while there is no connection. */
export function Act({ run, disabled, ...rest }: ActProps) {
  const online = useOnline();
  const [busy, setBusy] = useState(false);
  const click = async () => {
    setBusy(true);
    await attempt(async () => run());
    setBusy(false);
  };
  return <Button size="sm" {...rest} disabled={disabled || !online} loading={busy} onClick={() => void click()} />;
}

interface FormProps {
  title: ReactNode;
  action: ReactNode;
  /** Stores what was written; the dialog closes when it is done, and shows its error if it fails. */
  save: () => Promise<unknown>;
  close: () => void;
  valid: boolean;
  children: ReactNode;
}

/** A dialog with a form. It is there as long as it is rendered. */
export function FormDialog({ title, action, save, close, valid, children }: FormProps) {
  const t = useShellWords();
  const online = useOnline();
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  const submit = async () => {
    setBusy(true);
    try {
      await save();
      close();
    } catch (error) {
      setError(error);
      setBusy(false);
    }
  };
  return (
    <Dialog opened close={close} title={title}>
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          if (valid && online && !busy) void submit();
        }}
      >
        {children}
        <Problem error={error} />
        <div className="dialog-buttons">
          <Button variant="default" onClick={close}>
            {t("cancel")}
          </Button>
          <Button type="submit" disabled={!valid || !online} loading={busy}>
            {action}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}

/** A dialog with something that is shown this one time. */
export function Once({ title, text, value, close }: { title: ReactNode; text: ReactNode; value: string; close: () => void }) {
  const t = useShellWords();
  const [copied, setCopied] = useState(false);
  const copy = () => navigator.clipboard.writeText(value).then(() => setCopied(true));
  return (
    <Dialog opened close={close} title={title}>
      <div className="stack">
        <p>{text}</p>
        <Code block className="once">
          {value}
        </Code>
        <div className="dialog-buttons">
          <Button variant="default" data-autofocus onClick={() => void attempt(copy)}>
            {copied ? t("copied") : t("copy")}
          </Button>
          <Button onClick={close}>{t("close")}</Button>
        </div>
      </div>
    </Dialog>
  );
}
