import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

export default defineConfig({
  root: import.meta.dirname,
  plugins: [react()],
  build: {
    // What the last two years' browsers run.
    target: ["chrome120", "firefox121", "safari17.4"],
    assetsDir: "assets",
    // Data URLs of images are allowed by the policy; of fonts and scripts they are not.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
});
