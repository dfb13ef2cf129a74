// Who is not signed in sees the sign-in page; everybody else the shell.

import { Router } from "wouter";
import { Loading } from "./components/page";
import { Problem } from "./components/problem";
import { SessionContext, STAFF, useCurrentSession, type Role, type SignedIn } from "./session";
import { Shell } from "./shell";
import { NoAccess, SignIn } from "./signin";

export function App() {
  const session = useCurrentSession();
  if (!session.data) {
    return <main className="gate">{session.error ? <Problem error={session.error} retry={() => void session.refetch()} /> : <Loading />}</main>;
  }
  if (!session.data.user) return <SignIn />;
  if (!STAFF.includes(session.data.user.role as Role)) return <NoAccess />;
  return (
    <SessionContext value={session.data as SignedIn}>
      <Router base="/console">
        <Shell />
      </Router>
    </SessionContext>
  );
}
