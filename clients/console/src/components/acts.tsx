// Buttons that change data, and dialogs with forms.

import { Button, type ButtonProps, Code } from "@mantine/core";
import { type ReactNode, useState } from "react";
import { queries } from "../queries";
import { useOnline } from "../shell";
import { useShellWords } from "../words/shell";
import { Dialog } from "./dialogs";
import { Problem } from "./problem";
import { attempt } from "./toasts";

/** Reload the lists whose path begins with one of these. */
export const refresh = (...paths: string[]): Promise<unknown> =>
  queries.invalidateQueries({ predicate: ({ queryKey }) => paths.some((path) => String(queryKey[0]).startsWith(path)) });

interface ActProps extends ButtonProps {
  /** The action; an error is shown in a toast. */
  run: () => unknown;
  children: ReactNode;
  "aria-label"?: string;
}

/** A button that changes data: busy until that is done, and disabled without a connection. */
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
  /** Stores the form; the dialog closes when that is done, and shows the error if it fails. */
  save: () => Promise<unknown>;
  close: () => void;
  valid: boolean;
  children: ReactNode;
}

/** A dialog with a form, open as long as it is rendered. */
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

/** A dialog with a value that is shown only once. */
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
