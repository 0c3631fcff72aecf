import { Button, Card, Group, Text, Title } from "@mantine/core";
import { IconPlus } from "@tabler/icons-react";
import type { ReactNode } from "react";
import { Curl } from "./Curl";

interface Props {
  id: string;
  title: ReactNode;
  /** What stands at the other end of the heading. */
  aside?: ReactNode;
  text?: string;
  children: ReactNode;
}

/** A card with a heading, which names it to those who do not see it. */
export function Section({ id, title, aside, text, children }: Props) {
  return (
    <Card component="section" aria-labelledby={id}>
      <Group justify="space-between" mb={text ? 4 : "xs"}>
        <Title order={2} size="h3" id={id}>
          {title}
        </Title>
        {aside}
      </Group>
      {text && (
        <Text c="dimmed" mb="sm">
          {text}
        </Text>
      )}
      {children}
    </Card>
  );
}

/** Beside the heading of a list: its call for a terminal, and the way to add to it. */
export function Adding({ path, text, onAdd }: { path: string; text: string; onAdd: () => void }) {
  return (
    <Group gap={4}>
      <Curl path={path} />
      <Button variant="default" size="xs" leftSection={<IconPlus size={16} />} onClick={onAdd}>
        {text}
      </Button>
    </Group>
  );
}
