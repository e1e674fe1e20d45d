FROM node:24-bookworm-slim AS manifest
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# The lock file names it: it is the command of a clone.
COPY scripts/cli ./scripts/cli

FROM manifest AS build
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json prisma.config.ts ./
COPY scripts ./scripts
COPY prisma ./prisma
COPY src ./src
RUN npm run build

# What runs in production: no compiler, no prisma command, no embedded PostgreSQL.
FROM manifest AS production
RUN npm ci --ignore-scripts --omit=dev --omit=optional
# So that `npx dingtalk-delivery …`, as the messages say it, runs in the container too.
RUN ln -sf ../../dist/cli/main.js node_modules/.bin/dingtalk-delivery

FROM node:24-bookworm-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=production /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY prisma/migrations ./prisma/migrations
COPY package.json LICENSE ./
USER node
EXPOSE 8080 9090
# On SIGTERM the worker returns its polls to the queue. Give it more time than SHUTDOWN_GRACE_SECONDS (25).
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.HEALTH_PORT || 9090}/livez`).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "dist/cli/main.js"]
CMD ["worker"]
