// Setting a password: by a one-time link, at the first sign-in, or at any time.

import { DoramiError } from "@dorami/client";
import { Button, PasswordInput } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { type FormEvent, type ReactNode, useEffect, useState } from "react";
import { api } from "./api";
import { Problem, useWait } from "./components/problem";
import { refreshSession, signOut } from "./session";
import { Preferences } from "./shell";
import { usePasswordWords } from "./words/password";
import { useShellWords } from "./words/shell";

const SHORTEST = 8; // characters, as in the gateway

interface Props {
  /** Whether the current password is asked for. */
  current?: boolean;
  /** The sentence for AUTH_REQUIRED and FORBIDDEN: a wrong password or an invalid link. */
  refused: string;
  save: (wanted: string, current: string) => Promise<unknown>;
  done?: () => void;
  children?: ReactNode;
}

function Form({ current = false, refused, save, done, children }: Props) {
  const t = usePasswordWords();
  const shell = useShellWords();
  const [old, setOld] = useState("");
  const [wanted, setWanted] = useState("");
  const [again, setAgain] = useState("");
  const set = useMutation({ mutationFn: () => save(wanted, old), onSuccess: () => (setOld(""), setWanted(""), setAgain(""), done?.()) });
  const wait = useWait(set.error);
  const differ = again !== "" && again !== wanted;
  const ready = wanted.length >= SHORTEST && again === wanted && (!current || old) && !wait;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (ready) set.mutate();
  };
  return (
    <form className="stack" onSubmit={submit}>
      {current && <PasswordInput label={t("current")} autoComplete="current-password" autoFocus visibilityToggleButtonProps={{ "aria-label": shell("reveal") }} value={old} onChange={(event) => setOld(event.currentTarget.value)} />}
      <PasswordInput label={t("wanted")} description={t("rule", { count: SHORTEST })} autoComplete="new-password" autoFocus={!current} visibilityToggleButtonProps={{ "aria-label": shell("reveal") }} value={wanted} onChange={(event) => setWanted(event.currentTarget.value)} />
      <PasswordInput label={t("again")} error={differ && t("differ")} autoComplete="new-password" visibilityToggleButtonProps={{ "aria-label": shell("reveal") }} value={again} onChange={(event) => setAgain(event.currentTarget.value)} />
      {DoramiError.is(set.error, "AUTH_REQUIRED", "FORBIDDEN") ? (
        <div className="problem" role="alert">
          {refused}
        </div>
      ) : (
        <Problem error={set.error} />
      )}
      <Button type="submit" loading={set.isPending} disabled={!ready}>
        {t("save")}
      </Button>
      {children}
    </form>
  );
}

/** The form of an account that is signed in. */
export function ChangePassword({ done }: { done?: () => void }) {
  const t = usePasswordWords();
  return <Form current refused={t("wrong")} save={(newPassword, currentPassword) => api("POST", "/users/me/password", { currentPassword, newPassword })} done={done} />;
}

function Gate({ title, children }: { title: string; children: ReactNode }) {
  useEffect(() => void (document.title = `${title} · Dorami`), [title]);
  return (
    <main className="gate">
      <div className="gate-card">
        <h1>{title}</h1>
        {children}
      </div>
      <Preferences />
    </main>
  );
}

/** The form for an account whose password was chosen by somebody else. */
export function FirstPassword() {
  const t = usePasswordWords();
  const shell = useShellWords();
  return (
    <Gate title={t("first")}>
      <p className="dim">{t("firstWhy")}</p>
      <ChangePassword done={refreshSession} />
      <Button variant="subtle" color="gray" onClick={() => void signOut()}>
        {shell("signOut")}
      </Button>
    </Gate>
  );
}

/** The page of a one-time link, `/console/password#<token>`: browsers do not send the part behind # to servers. */
export function PasswordLink() {
  const t = usePasswordWords();
  const [token] = useState(() => location.hash.slice(1));
  const [done, setDone] = useState(false);
  useEffect(() => history.replaceState(null, "", location.pathname), []); // removes the token from the browser's history
  return (
    <Gate title={t("link")}>
      {done ? (
        <>
          <p>{t("ready")}</p>
          <Button component="a" href="/console/">
            {t("signIn")}
          </Button>
        </>
      ) : (
        <>
          <p className="dim">{t("linkWhy")}</p>
          <Form refused={t("dead")} save={(newPassword) => api("POST", "/auth/password", { token, newPassword })} done={() => setDone(true)} />
        </>
      )}
    </Gate>
  );
}
