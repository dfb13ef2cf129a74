// Dialogs: the question before an action that cannot be undone, and the frame of all dialogs.

import { Button, Modal } from "@mantine/core";
import { type ReactNode, useState } from "react";
import { store, useStore } from "../stores";
import { useShellWords } from "../words/shell";

interface Question {
  title: ReactNode;
  /** The consequences, with counts. */
  body?: ReactNode;
  /** The label of the button. */
  action: ReactNode;
  danger?: boolean;
}

interface Asked extends Question {
  answer: (yes: boolean) => void;
}

const asked = store<Asked | null>(null);

/** Ask before an action. The focus is on *Cancel*; Escape cancels. */
export const confirm = (question: Question): Promise<boolean> => new Promise((answer) => asked.set({ ...question, answer }));

/** Renders the questions of `confirm`. */
export function Confirmations() {
  const t = useShellWords();
  const question = useStore(asked);
  const [shown, setShown] = useState(question); // stays while the dialog closes
  if (question && question !== shown) setShown(question);
  const answer = (yes: boolean) => {
    asked.set(null);
    question?.answer(yes);
  };
  return (
    <Dialog opened={question !== null} close={() => answer(false)} title={shown?.title}>
      {shown?.body && <div className="dialog-body">{shown.body}</div>}
      <div className="dialog-buttons">
        <Button variant="default" data-autofocus onClick={() => answer(false)}>
          {t("cancel")}
        </Button>
        <Button color={shown?.danger ? "red" : undefined} onClick={() => answer(true)}>
          {shown?.action}
        </Button>
      </div>
    </Dialog>
  );
}

/** A dialog; on a phone a sheet at the lower edge. The element with `data-autofocus` gets the focus. */
export function Dialog({ opened, close, title, size, children }: { opened: boolean; close: () => void; title: ReactNode; size?: string; children: ReactNode }) {
  const t = useShellWords();
  return (
    <Modal opened={opened} onClose={close} title={title} size={size} centered lockScroll={false} closeButtonProps={{ "aria-label": t("close") }} classNames={{ inner: "dialog-inner", content: "dialog" }}>
      {children}
    </Modal>
  );
}
