/**
 * How the page looks, in one place: a system font, small type and tight spacing, because people look at many
 * numbers at once; one accent, because colour is needed to tell series and states apart.
 */
import { createTheme, type MantineColorsTuple } from "@mantine/core";

const trail: MantineColorsTuple = [
  "#e8f4fb",
  "#d3e7f3",
  "#a4cde6",
  "#72b2d8",
  "#4a9bcc",
  "#308dc5",
  "#1d7fb8",
  "#0a6fa8",
  "#005f94",
  "#004b77",
];

export const theme = createTheme({
  primaryColor: "trail",
  colors: { trail },
  primaryShade: { light: 7, dark: 4 },
  autoContrast: true,
  defaultRadius: "sm",
  cursorType: "pointer",
  fontFamily:
    'Inter, ui-sans-serif, system-ui, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif',
  fontFamilyMonospace:
    'ui-monospace, "SF Mono", "Cascadia Mono", "Noto Sans Mono", "DejaVu Sans Mono", monospace',
  fontSizes: { xs: "0.75rem", sm: "0.8125rem", md: "0.875rem", lg: "1rem", xl: "1.25rem" },
  headings: {
    fontWeight: "600",
    sizes: {
      h1: { fontSize: "1.25rem", lineHeight: "1.3" },
      h2: { fontSize: "1rem", lineHeight: "1.4" },
      h3: { fontSize: "0.875rem", lineHeight: "1.4" },
    },
  },
});
