/**
 * Stands in for Nextcloud behind nginx: the routes that clients and the tests use, with its status codes. It answers
 * with the client address it was told, the way the real image takes it: X-Real-IP from a private network only.
 */
const html = (text: string, status = 200) =>
  new Response(`<!DOCTYPE html><title>Nextcloud</title>${text}\n`, {
    status,
    headers: { "content-type": "text/html" },
  });

Bun.serve({
  port: 80,
  hostname: "0.0.0.0",
  maxRequestBodySize: 1 << 30,
  async fetch(request, server) {
    const { pathname } = new URL(request.url);
    const header = (name: string) => request.headers.get(name);
    switch (pathname) {
      case "/status.php":
        return Response.json({
          installed: true,
          maintenance: false,
          versionstring: "32.0.0",
          productname: "Nextcloud",
        });
      case "/whoami":
        return Response.json({
          peer: server.requestIP(request)?.address,
          host: header("host"),
          realIp: header("x-real-ip"),
          forwardedFor: header("x-forwarded-for"),
          forwardedProto: header("x-forwarded-proto"),
          forwarded: header("forwarded"),
        });
      case "/":
        return new Response(null, { status: 302, headers: { location: "/login" } });
      case "/login":
        return request.method === "POST"
          ? new Response(null, { status: 303, headers: { location: "/login" } })
          : html("login");
      default:
        if (request.method === "PUT") {
          const size = (await request.arrayBuffer()).byteLength;
          return Response.json({ size }, { status: 201 });
        }
        return pathname.startsWith("/remote.php/")
          ? new Response("<d:multistatus/>", { status: 207 })
          : html("nothing", 404);
    }
  },
});
