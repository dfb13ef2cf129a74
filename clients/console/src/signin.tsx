// The sign-in page, and the page for accounts without access.

import { Button, PasswordInput, TextInput } from "@mantine/core";
import { DoramiError } from "@dorami/client";
import { useMutation } from "@tanstack/react-query";
import { type FormEvent, useEffect, useState } from "react";
import { Empty } from "./components/page";
import { Problem, useWait } from "./components/problem";
import { signIn, signOut } from "./session";
import { Preferences } from "./shell";
import { useErrorWords } from "./words/errors";
import { useShellWords } from "./words/shell";
import { useSignInWords } from "./words/signin";

export function SignIn() {
  const t = useSignInWords();
  const errors = useErrorWords();
  const shell = useShellWords();
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const enter = useMutation({ mutationFn: () => signIn(email.trim(), password) });
  const wait = useWait(enter.error);
  const wrong = DoramiError.is(enter.error, "AUTH_REQUIRED");
  useEffect(() => void (document.title = `${t("title")} · Dorami`), [t]);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (!wait) enter.mutate();
  };
  return (
    <main className="gate">
      <form className="gate-card" onSubmit={submit}>
        <h1>{shell("console")}</h1>
        <TextInput label={t("email")} name="email" type="email" required withAsterisk={false} autoComplete="username" autoFocus value={email} onChange={(event) => setEmail(event.currentTarget.value)} />
        <PasswordInput label={t("password")} name="password" required withAsterisk={false} autoComplete="current-password" visibilityToggleButtonProps={{ "aria-label": shell("reveal") }} value={password} onChange={(event) => setPassword(event.currentTarget.value)} />
        {wrong ? (
          <div className="problem" role="alert">
            {errors("CREDENTIALS")}
          </div>
        ) : (
          <Problem error={enter.error} />
        )}
        <Button type="submit" size="md" loading={enter.isPending} disabled={wait > 0}>
          {t("enter")}
        </Button>
        <p className="hint">{t("hint")}</p>
      </form>
      <Preferences />
    </main>
  );
}

/** The page for accounts whose role has no pages here. */
export function NoAccess() {
  const t = useShellWords();
  useEffect(() => void (document.title = `${t("noAccess")} · Dorami`), [t]);
  return (
    <main className="gate">
      <div className="gate-card">
        <h1>{t("noAccess")}</h1>
        <Empty action={<Button onClick={() => void signOut()}>{t("signOut")}</Button>}>{t("noAccessWhy")}</Empty>
      </div>
      <Preferences />
    </main>
  );
}
