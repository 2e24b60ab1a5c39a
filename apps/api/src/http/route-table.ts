import { Injectable } from '@nestjs/common';
import type { OpenAPIObject } from '@nestjs/swagger';

const METHODS = ['get', 'put', 'post', 'patch', 'delete'] as const;

interface Route {
  pattern: RegExp;
  methods: string[];
}

/** Which methods a path takes, read from the OpenAPI document: what is not in the document is not served. */
@Injectable()
export class RouteTable {
  private routes: Route[] = [];

  /** `further`: paths which are served and not in the document; they take GET. */
  learn(document: OpenAPIObject, further: readonly string[]): void {
    const documented = Object.entries(document.paths).map(([path, item]) => ({
      pattern: patternOf(path),
      methods: METHODS.filter((method) => item[method]).map((method) => method.toUpperCase()),
    }));
    this.routes = [...documented, ...further.map((path) => ({ pattern: patternOf(path), methods: ['GET'] }))];
  }

  /** In capitals, sorted; `HEAD` comes with `GET`. Empty: no such path. */
  methodsOf(path: string): string[] {
    const methods = this.routes.filter(({ pattern }) => pattern.test(path)).flatMap((route) => route.methods);
    const all = methods.includes('GET') ? [...methods, 'HEAD'] : methods;
    return [...new Set(all)].sort();
  }
}

/** As the router compares: without regard to case, with or without a slash at the end. */
function patternOf(path: string): RegExp {
  const literal = path.replace(/[.*+?^$()|[\]\\]/g, '\\$&').replace(/\{[^}]+\}/g, '[^/]+');
  return new RegExp(`^${literal}/?$`, 'i');
}
