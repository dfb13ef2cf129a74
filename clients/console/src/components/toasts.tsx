// Short messages in the corner, and the undo of the last action.

import { DoramiError } from "@dorami/client";
import { ActionIcon, Button } from "@mantine/core";
import { type ReactNode, useEffect, useRef } from "react";
import { Icon } from "../icons";
import { store, useStore } from "../stores";
import { useErrorWords } from "../words/errors";
import { useShellWords } from "../words/shell";
import { useDescribe } from "./problem";
import { said } from "./said";

const SHOWN = 5_000; // ms for which a toast is shown
export const UNDO = 10_000; // ms in which something can be undone
const MOST = 4;

interface Toast {
  id: number;
  text: ReactNode;
  kind: "done" | "error" | "undo";
  ms: number;
  undo?: () => Promise<unknown>;
}

const toasts = store<readonly Toast[]>([]);
let counter = 0;

function show(toast: Omit<Toast, "id">): void {
  toasts.set([...toasts.get(), { ...toast, id: ++counter }].slice(-MOST));
}

const hide = (id: number) => toasts.set(toasts.get().filter((toast) => toast.id !== id));

/** Show that an action succeeded: `toast(said(useWords, "saved"))`. */
export const toast = (text: ReactNode) => show({ text, kind: "done", ms: SHOWN });
/** Show why an action failed. */
export const fail = (error: unknown) => show({ text: <Failure error={error} />, kind: "error", ms: UNDO });
/** Show that an action succeeded, and offer to undo it for 10 s, by the button or the key U. */
export const undoable = (text: ReactNode, undo: () => Promise<unknown>) => show({ text, kind: "undo", ms: UNDO, undo });

/** Run `action` and show its error if it fails. Returns whether it succeeded. */
export async function attempt(action: () => Promise<unknown>): Promise<boolean> {
  try {
    await action();
    return true;
  } catch (error) {
    fail(error);
    return false;
  }
}

/** Undo the last action that can be undone. */
export function undoLast(): void {
  const last = toasts.get().findLast(({ undo }) => undo);
  if (last) void revert(last);
}

async function revert({ id, undo }: Toast): Promise<void> {
  hide(id);
  if (await attempt(undo!)) toast(said(useShellWords, "undone"));
}

function Failure({ error }: { error: unknown }) {
  const describe = useDescribe();
  const t = useErrorWords();
  return (
    <>
      {describe(error)}
      {DoramiError.is(error) && error.requestId && <code className="problem-detail">{t("request", { id: error.requestId })}</code>}
    </>
  );
}

function Shown({ toast }: { toast: Toast }) {
  const t = useShellWords();
  const over = useRef(false); // it stays while the pointer or the focus is on it
  useEffect(() => {
    let timer = setTimeout(function end() {
      if (over.current) timer = setTimeout(end, 1000);
      else hide(toast.id);
    }, toast.ms);
    return () => clearTimeout(timer);
  }, [toast]);
  const hold = (held: boolean) => () => void (over.current = held);
  return (
    <div className="toast" data-kind={toast.kind} onPointerEnter={hold(true)} onPointerLeave={hold(false)} onFocus={hold(true)} onBlur={hold(false)}>
      <span className="toast-text">{toast.text}</span>
      {toast.undo && (
        <Button size="compact-sm" variant="light" leftSection={<Icon name="undo" size={14} />} onClick={() => void revert(toast)}>
          {t("undo")}
        </Button>
      )}
      <ActionIcon variant="subtle" color="gray" aria-label={t("close")} onClick={() => hide(toast.id)}>
        <Icon name="close" size={16} />
      </ActionIcon>
    </div>
  );
}

/** The corner with the toasts, which screen readers announce. */
export function Toasts() {
  const shown = useStore(toasts);
  return (
    <div className="toasts" role="status" aria-live="polite">
      {shown.map((toast) => (
        <Shown key={toast.id} toast={toast} />
      ))}
    </div>
  );
}
