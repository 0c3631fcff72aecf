import {
  type CSSVariablesResolver,
  createTheme,
  defaultVariantColorsResolver,
  type MantineColorsTuple,
} from "@mantine/core";

const water: MantineColorsTuple = [
  "#eaf7f9",
  "#ddf0f3",
  "#a8dfe9",
  "#4cc3d9",
  "#2fa8bf",
  "#1d8fa6",
  "#127c92",
  "#0b6b80",
  "#095769",
  "#06424f",
];

/** Mantine paints its dark surfaces from this scale: text, muted, edges, then surface, ground and sunken. */
const dark: MantineColorsTuple = [
  "#e8eef1",
  "#c4d0d6",
  "#a3b3bc",
  "#8da0aa",
  "#2c3b43",
  "#1d2a31",
  "#162127",
  "#0e161b",
  "#0a1014",
  "#070b0e",
];

/** A button that is only its drawing. */
const plain = {
  background: "transparent",
  hover: "var(--weir-sunken)",
  color: "var(--weir-muted)",
  hoverColor: "var(--weir-text)",
  border: "1px solid transparent",
};

export const theme = createTheme({
  primaryColor: "water",
  colors: { water, dark },
  primaryShade: { light: 7, dark: 3 },
  autoContrast: true,
  // Text on a filled button follows the scheme as its ground does; one fixed colour would fail in one of them.
  variantColorResolver: (input) => {
    if (input.variant === "plain") return plain;
    const made = defaultVariantColorsResolver(input);
    if (input.variant !== "filled") return made;
    return { ...made, color: input.color === "red" ? "var(--weir-on-live)" : "var(--weir-on-accent)" };
  },
  defaultRadius: "md",
  cursorType: "pointer",
  fontFamily: "var(--weir-font)",
  fontFamilyMonospace: "var(--weir-mono)",
  fontSizes: { xs: "12px", sm: "14px", md: "14px", lg: "16px", xl: "20px" },
  headings: {
    fontFamily: "var(--weir-font)",
    fontWeight: "600",
    sizes: {
      h1: { fontSize: "28px", lineHeight: "1.3" },
      h2: { fontSize: "20px", lineHeight: "1.4" },
      h3: { fontSize: "16px", lineHeight: "1.5" },
    },
  },
  radius: { xs: "4px", sm: "6px", md: "6px", lg: "10px", xl: "16px" },
  spacing: { xs: "8px", sm: "12px", md: "16px", lg: "24px", xl: "32px" },
  breakpoints: { xs: "30em", sm: "40em", md: "56.25em", lg: "75em", xl: "90em" },
  respectReducedMotion: true,
  components: {
    ActionIcon: { defaultProps: { variant: "plain" } },
    Card: { defaultProps: { radius: "lg", withBorder: true, padding: "md" } },
    Modal: { defaultProps: { radius: "lg", centered: true } },
    Tooltip: { defaultProps: { withArrow: true, openDelay: 300 } },
  },
});

/** Ties Mantine's own names to the tokens, so that no component knows another colour. */
const shared = {
  "--mantine-color-body": "var(--weir-bg)",
  "--mantine-color-text": "var(--weir-text)",
  "--mantine-color-dimmed": "var(--weir-muted)",
  "--mantine-color-placeholder": "var(--weir-muted)",
  "--mantine-color-anchor": "var(--weir-accent)",
  "--mantine-color-error": "var(--weir-bad)",
  "--mantine-color-default": "var(--weir-surface)",
  "--mantine-color-default-hover": "var(--weir-sunken)",
  "--mantine-color-default-color": "var(--weir-text)",
  "--mantine-color-default-border": "var(--weir-control)",
  "--mantine-primary-color-filled": "var(--weir-accent)",
  "--mantine-primary-color-filled-hover": "var(--weir-accent-hover)",
  "--mantine-primary-color-contrast": "var(--weir-on-accent)",
  "--mantine-color-water-filled": "var(--weir-accent)",
  "--mantine-color-water-filled-hover": "var(--weir-accent-hover)",
  "--mantine-color-water-light": "var(--weir-accent-tint)",
  "--mantine-color-water-light-hover": "var(--weir-accent-tint)",
  "--mantine-color-water-light-color": "var(--weir-accent)",
  "--mantine-color-water-outline": "var(--weir-accent)",
  "--mantine-color-red-filled": "var(--weir-bad)",
  "--mantine-color-red-light-color": "var(--weir-bad)",
  "--mantine-color-red-light": "var(--weir-bad-tint)",
  "--mantine-color-red-light-hover": "var(--weir-bad-tint)",
  "--mantine-color-red-outline": "var(--weir-bad)",
};

export const tokens: CSSVariablesResolver = () => ({ variables: shared, light: shared, dark: shared });
