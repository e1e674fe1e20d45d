# Behind a mirror: docker build --build-arg NODE_IMAGE=mirror.example/node:24-bookworm-slim --build-arg NPM_CONFIG_REGISTRY=https://npm.example/ .
ARG NODE_IMAGE=node:24-bookworm-slim

FROM ${NODE_IMAGE} AS manifest
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# The lock file names a folder in here: the command of a clone.
COPY scripts ./scripts

FROM manifest AS build
ARG NPM_CONFIG_REGISTRY
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json prisma.config.ts ./
COPY prisma ./prisma
COPY src ./src
RUN npm run build

# What runs in production: no compiler, no prisma command, no embedded PostgreSQL. The links are the commands of the package, which the last stage adds.
FROM manifest AS production
ARG NPM_CONFIG_REGISTRY
RUN npm ci --ignore-scripts --omit=dev --omit=optional
RUN for name in dingtalk-delivery dingtalk-delivery-tracker; do ln -sf ../dingtalk-delivery-tracker/dist/cli/main.js node_modules/.bin/$name; done

FROM ${NODE_IMAGE}
# The package stands where npm installs packages, so that `npx dingtalk-delivery` finds it as well, without the registry.
ENV NODE_ENV=production PATH=/app/node_modules/.bin:$PATH NPM_CONFIG_UPDATE_NOTIFIER=false
WORKDIR /app
COPY --from=production /app/node_modules ./node_modules
COPY --from=build /app/dist ./node_modules/dingtalk-delivery-tracker/dist
COPY prisma/migrations ./node_modules/dingtalk-delivery-tracker/prisma/migrations
COPY package.json LICENSE ./node_modules/dingtalk-delivery-tracker/
COPY deploy/docker/healthcheck.mjs ./
# The user `node` of the image; as a number, Kubernetes can see that it is not root.
USER 1000:1000
EXPOSE 8080 9090
# On SIGTERM the worker returns its polls to the queue. Give it more time than SHUTDOWN_GRACE_SECONDS (25).
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 CMD ["node", "/app/healthcheck.mjs"]
ENTRYPOINT ["dingtalk-delivery"]
CMD ["worker"]
