/** The public API, with types made from its own description, and the errors it promises. */
import createClient from 'openapi-fetch'
import { taken } from './early'
import { answered, unanswered } from './reach'
import type { components, paths } from './schema'
import { session } from './session'

export type Schemas = components['schemas']
export type Video = Schemas['VideoView']
export type Channel = Schemas['ChannelView']
export type Stream = Schemas['StreamView']
export type Comment = Schemas['CommentView']
export type Notice = Schemas['NotificationView']
export type Me = Schemas['Me']

/** What the API answers when it refuses (RFC 9457), or `offline` where no answer came. */
export class Problem extends Error {
  constructor(
    readonly code: string,
    readonly detail: string,
    readonly status: number,
    readonly fields: Readonly<Record<string, string>> = {},
  ) {
    super(detail)
  }
}

/** It is not there any more, or not for who asks. */
export function missing(error: unknown): boolean {
  return error instanceof Problem && error.status === 404
}

/** Sends with the token of whoever is signed in; where it has run out, once more with a new one. */
async function send(request: Request): Promise<Response> {
  const again = request.clone()
  const answer = await heard(taken(request) ?? fetch(await signed(request)))
  if (answer.status !== 401 || !session.signedIn) return answer
  await session.renew(request.headers.get('authorization'))
  return session.signedIn ? heard(fetch(await signed(again))) : answer
}

async function heard(answer: Promise<Response>): Promise<Response> {
  try {
    const response = await answer
    answered()
    return response
  } catch (error) {
    if (error instanceof TypeError) unanswered() // not one that was given up here
    throw error
  }
}

async function signed(request: Request): Promise<Request> {
  const token = await session.token()
  if (token) request.headers.set('authorization', `Bearer ${token}`)
  return request
}

export const api = createClient<paths>({ baseUrl: location.origin, fetch: send })

/** The body of an answer. Throws Problem. */
export async function ask<T>(call: Promise<{ data?: T; error?: unknown; response: Response }>): Promise<T> {
  let result
  try {
    result = await call
  } catch (error) {
    if (error instanceof Problem) throw error
    throw new Problem('offline', '', 0)
  }
  if (result.response.ok) return result.data as T
  throw problemOf(result.error, result.response.status)
}

export function problemOf(body: unknown, status: number): Problem {
  const said = (body ?? {}) as Partial<Schemas['Problem']>
  const fields = Object.fromEntries((said.errors ?? []).map((each) => [each.field, each.message]))
  return new Problem(said.code ?? 'unknown', said.detail ?? '', status, fields)
}

/** For PATCH, PUT and DELETE: refused (412) if somebody edited since that version. */
export function onlyIf(version: number): { 'If-Match': string } {
  return { 'If-Match': `"${version}"` }
}

/** A file as the body of a request, as it is. The types know binary bodies as text. */
export function bytesOf(file: Blob, type = file.type) {
  return { body: file as unknown as string, bodySerializer: () => file, headers: { 'content-type': type } }
}
