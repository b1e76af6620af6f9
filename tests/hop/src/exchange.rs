use bytes::{Bytes, BytesMut};

use crate::{
    body::{Body, Piece},
    head::{RequestHead, ResponseHead},
    reply::Reply,
};

/// One request and its response; a WebSocket is an exchange that lasts until the close.
#[derive(Debug)]
pub(crate) struct Exchange {
    request: Body,
    response: Response,
    is_bodiless_answered: bool,
    pub(crate) has_carried_content: bool,
}

#[derive(Debug)]
enum Response {
    Awaited,
    Flowing(Body),
    /// The hop answers when it has read the request.
    Own(Reply),
}

/// The next part of a response from the upstream.
#[derive(Debug)]
pub(crate) enum Part {
    Body { bytes: Bytes, piece: Piece },
    Head(Bytes),
    InterimHead(Bytes),
}

impl Exchange {
    pub(crate) fn passed_on(request: RequestHead) -> Self {
        Self::new(request, Response::Awaited)
    }

    pub(crate) fn answered_here(request: RequestHead, reply: Reply) -> Self {
        Self::new(request, Response::Own(reply))
    }

    fn new(request: RequestHead, response: Response) -> Self {
        Self {
            request: request.body,
            response,
            is_bodiless_answered: request.is_bodiless_answered,
            has_carried_content: false,
        }
    }

    /// Takes off the front of `input` what belongs to the request, and returns it if it is to be passed on.
    pub(crate) fn advance_request(&mut self, input: &mut BytesMut) -> Bytes {
        let mut length = 0;
        while length < input.len() && !self.request.is_finished() {
            length += self.request.advance(&input[length..]).length;
        }
        let bytes = input.split_to(length).freeze();

        match self.response {
            Response::Awaited | Response::Flowing(_) => bytes,
            Response::Own(_) => Bytes::new(),
        }
    }

    /// Returns the hop's own answer as soon as it may be given.
    pub(crate) fn reply(&self) -> Option<&Reply> {
        match &self.response {
            Response::Own(reply) if self.request.is_finished() => Some(reply),
            Response::Awaited | Response::Flowing(_) | Response::Own(_) => None,
        }
    }

    /// Takes the next part of the response off the front of `input`; call it until it returns none.
    pub(crate) fn advance_response(&mut self, input: &mut BytesMut) -> Option<Part> {
        if input.is_empty() {
            return None;
        }

        match &mut self.response {
            Response::Awaited => {
                let head = match ResponseHead::parse(input, self.is_bodiless_answered) {
                    Ok(Some(head)) => head,
                    Ok(None) if input.len() < MAX_HEAD => return None,
                    Ok(None) | Err(_) => {
                        self.response = Response::Flowing(Body::UntilClose);
                        return self.advance_response(input);
                    }
                };
                let bytes = input.split_to(head.length).freeze();
                if matches!(head.body, Body::Frames(_)) {
                    self.request = Body::UntilClose;
                } else if head.status.is_informational() {
                    return Some(Part::InterimHead(bytes));
                }
                self.response = Response::Flowing(head.body);
                Some(Part::Head(bytes))
            }
            Response::Flowing(Body::Finished) | Response::Own(_) => None,
            Response::Flowing(body) => {
                let piece = body.advance(input);
                let bytes = input.split_to(piece.length).freeze();
                self.has_carried_content |= piece.content.is_some();
                Some(Part::Body { bytes, piece })
            }
        }
    }

    pub(crate) fn is_flowing(&self) -> bool {
        match &self.response {
            Response::Awaited | Response::Own(_) => false,
            Response::Flowing(body) => !body.is_finished(),
        }
    }

    pub(crate) fn is_answered(&self) -> bool {
        match &self.response {
            Response::Awaited | Response::Own(_) => false,
            Response::Flowing(body) => body.is_finished(),
        }
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.is_answered() && self.request.is_finished()
    }
}

pub(crate) const MAX_HEAD: usize = 64 * 1024;
