/** The path prefix under which a reverse proxy serves the gateway, without a slash at its end; mostly "". */
export const PREFIX = new URL("..", import.meta.url).pathname.slice(0, -1);
