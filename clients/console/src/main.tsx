// The start of the console. Mantine's own style elements are switched off: the content policy forbids them.

import "@mantine/core/styles.css";
import "./theme.css";
import "./app.css";
import "./pages.css";
import { createTheme, MantineProvider } from "@mantine/core";
import { QueryClientProvider } from "@tanstack/react-query";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./app";
import { queries } from "./queries";
import "./i18n";

const theme = createTheme({ primaryColor: "violet", defaultRadius: "md", respectReducedMotion: true, cursorType: "pointer" });

createRoot(document.getElementById("root")!).render(
  <StrictMode>
    <MantineProvider theme={theme} defaultColorScheme="auto" withCssVariables={false} withGlobalClasses={false}>
      <QueryClientProvider client={queries}>
        <App />
      </QueryClientProvider>
    </MantineProvider>
  </StrictMode>,
);
