// Words of the sign-in page.

import { words } from "../i18n";

export const useSignInWords = words(
  "signin",
  {
    title: "Sign in",
    email: "E-mail address",
    password: "Password",
    enter: "Sign in",
    hint: "The first account is made on the server: dorami user create … --role ADMIN",
  },
  {
    title: "로그인",
    email: "이메일 주소",
    password: "비밀번호",
    enter: "로그인",
    hint: "첫 계정은 서버에서 만듭니다: dorami user create … --role ADMIN",
  },
);
