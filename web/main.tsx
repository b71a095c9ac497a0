/** Where the page begins: the nonce, the token of a sign-in link, the router. */
import "@mantine/core/styles.css";
import "uplot/dist/uPlot.min.css";
import "./app/page.css";
import { createRoot } from "react-dom/client";
import { App } from "./app/app.tsx";
import { styleNonce } from "./app/nonce.ts";

// Libraries that add a style of their own to the page look for it here.
Object.assign(globalThis, { __webpack_nonce__: styleNonce() });

createRoot(document.getElementById("root") as HTMLElement).render(<App />);
