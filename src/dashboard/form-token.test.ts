import { expect, test } from "bun:test";
import { isToken, newCookie, tokenFor } from "./form-token.ts";

test("a token fits its form and its cookie, and no other", () => {
  const [cookie, other] = [newCookie(), newCookie()];
  const token = tokenFor("sign-in", cookie);
  expect(isToken(token, "sign-in", cookie)).toBe(true);
  expect(isToken(token, "sign-out", cookie)).toBe(false);
  expect(isToken(token, "sign-in", other)).toBe(false);
  for (const wrong of [null, "", token.slice(1), `${token}A`, token.toLowerCase(), "é".repeat(43)]) {
    expect(isToken(wrong, "sign-in", cookie)).toBe(false);
  }
});
