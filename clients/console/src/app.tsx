// The sign-in page or the page of a link that sets a password; the shell for signed-in users.

import { Router } from "wouter";
import { Loading } from "./components/page";
import { Problem } from "./components/problem";
import { FirstPassword, PasswordLink } from "./password";
import { SessionContext, STAFF, useCurrentSession, type Role, type SignedIn } from "./session";
import { Shell } from "./shell";
import { NoAccess, SignIn } from "./signin";

const LINK = "/console/password";

export function App() {
  return location.pathname === LINK ? <PasswordLink /> : <Session />;
}

function Session() {
  const session = useCurrentSession();
  if (!session.data) {
    return <main className="gate">{session.error ? <Problem error={session.error} retry={() => void session.refetch()} /> : <Loading />}</main>;
  }
  if (!session.data.user) return <SignIn />;
  if (!STAFF.includes(session.data.user.role as Role)) return <NoAccess />;
  if (session.data.user.mustChangePassword) return <FirstPassword />;
  return (
    <SessionContext value={session.data as SignedIn}>
      <Router base="/console">
        <Shell />
      </Router>
    </SessionContext>
  );
}
