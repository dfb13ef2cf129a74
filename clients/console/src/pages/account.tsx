// The user's own account and its password.

import { Card, PageHead, RoleTag } from "../components/page";
import { said } from "../components/said";
import { toast } from "../components/toasts";
import { ChangePassword } from "../password";
import { useSession } from "../session";
import { usePasswordWords } from "../words/password";

export default function Account() {
  const t = usePasswordWords();
  const { user } = useSession();
  return (
    <>
      <PageHead title={t("account")} />
      <div className="columns">
        <Card title={user.username} actions={<RoleTag role={user.role} />}>
          <p className="card-body">{user.email}</p>
        </Card>
        <Card title={t("change")}>
          <div className="card-body stack">
            <p className="dim">{t("changeWhy")}</p>
            <ChangePassword done={() => toast(said(usePasswordWords, "saved"))} />
          </div>
        </Card>
      </div>
    </>
  );
}
