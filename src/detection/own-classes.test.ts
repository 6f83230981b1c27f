import { describe, expect, test } from "bun:test";
import { parseConfig } from "../config/load.ts";
import { Classifier } from "./request-class.ts";

function rowsOf(yaml: string) {
  const loaded = parseConfig(`detection:\n  classes:\n${yaml}`);
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  return loaded.config.detection.classes;
}

const ROWS = `
    - { path: /media/mini/*, methods: [GET], class: preview }
    - { path: /media/**, class: page }
    - { path: /enter, class: login }
    - { path: /seafdav/**, class: dav }
    - { path: /blog/session, class: page }
`;

describe("classes of the configuration", () => {
  const classifier = new Classifier(rowsOf(ROWS));
  test.each([
    ["GET", "/media/mini/7", 200, "preview"],
    ["GET", "/media/mini/7?w=64", 404, "preview"],
    // Of the next row that is for its method.
    ["POST", "/media/mini/7", 200, "page"],
    ["GET", "/media/a/style.css", 200, "page"],
    ["GET", "/other/style.css", 200, "asset"],
    ["POST", "/enter", 200, "login"],
    ["POST", "/enter/", 200, "page"],
    // A session of the blog is nothing that takes a password.
    ["POST", "/blog/session", 200, "page"],
    ["POST", "/other/session", 200, "login"],
    // WebDAV elsewhere: asked for, and proved by the same answers as ever.
    ["GET", "/seafdav/a.txt", 200, "dav"],
    ["PROPFIND", "/seafdav/", 401, "dav"],
    ["PROPFIND", "/seafdav/", 207, "proof"],
    ["GET", "/seafdav/a.txt", 207, "dav"],
  ])("%s %s %d is a %s", (method, path, status, expected) => {
    expect(classifier.classify({ method, path, status }) as string).toBe(expected);
    // Remembered, it says the same.
    expect(classifier.classify({ method, path, status }) as string).toBe(expected);
  });

  test("no row can make a proof of what is none", () => {
    const rows = rowsOf('    - { path: "/**", class: dav }');
    for (const method of ["GET", "HEAD", "POST", "OPTIONS"])
      for (const status of [200, 201, 204, 206, 207])
        expect(new Classifier(rows).classify({ method, path: "/a", status })).toBe("dav");
  });

  test("a reload forgets what was remembered", () => {
    const changing = new Classifier();
    const request = { method: "GET", path: "/media/mini/7", status: 200 };
    expect(changing.classify(request)).toBe("page");
    changing.configure(rowsOf(ROWS));
    expect(changing.classify(request)).toBe("preview");
    changing.configure([]);
    expect(changing.classify(request)).toBe("page");
  });

  test("a path that matches none costs no list", () => {
    expect(classifier.targetOf("/a").own).toBeNull();
    expect(new Classifier().targetOf("/media/mini/7").own).toBeNull();
  });
});
